import { Button, SegmentedControl } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import type { Review } from '../api/data';
import { reviewsQuery } from '../api/data_queries';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { personName } from '../ui/names';
import { useNow } from '../ui/now';
import { Card, Empty, Failure, More, PageHead, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { Decide, Left } from './decide';
import { Ends, Said } from './Identity';
import css from './identity.module.css';

function One({ review }: { review: Review }) {
  const { t, f, language } = useWords();
  const now = useNow();
  const [open, setOpen] = useState(false);
  const [decision, setDecision] = useState('merge');
  const who = (one: Review['person_a']) => <Link to="/persons/$id" params={{ id: one.person_id }} search={{ tab: 'identity' }} className={ui.link ?? ''}>{personName(one.label, t)}</Link>;
  return (
    <li className={css.review}>
      <div className={css.pair}>{who(review.person_a)}<Icon name="join" size={18} />{who(review.person_b)}</div>
      <div>{review.reason_text[language] ?? review.reason}</div>
      <div><Ends a={review.a} b={review.b} />{review.evidence !== null && <Said edge={review.evidence} />}</div>
      <div className={`${ui.dim} ${ui.small}`}>
        {t.reviews.calls(review.calls, f.number(review.calls))}
        {review.at !== null && <span title={f.exact(review.at)}> · {t.reviews.latest(f.ago(review.at, now))}</span>}
      </div>
      {!open && <div><Button size="xs" variant="default" onClick={() => setOpen(true)}>{t.reviews.decide}</Button></div>}
      {open && (
        <div className={ui.stack}>
          <SegmentedControl
            value={decision} onChange={setDecision} aria-label={t.reviews.decide} style={{ justifySelf: 'start' }}
            data={[{ value: 'merge', label: t.reviews.one }, { value: 'keep_apart', label: t.reviews.two }]}
          />
          <Decide
            key={decision} path={`/api/reviews/${review.id}`} body={{ decision }} action={decision === 'merge' ? t.decide.merge : t.reviews.keepApart}
            done={(preview) => <Left preview={preview} text={decision === 'merge' ? t.decide.merged : t.reviews.keptApart} />}
          />
        </div>
      )}
    </li>
  );
}

export function Reviews() {
  const { t } = useWords();
  const { person = '' } = useSearch({ from: '/inside/reviews' });
  const list = useInfiniteQuery(reviewsQuery(person));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHead
        title={t.reviews.title} lead={t.reviews.lead}
        actions={person !== '' && <Link to="/reviews" className={ui.textLink ?? ''}>{t.reviews.everybody}</Link>}
      />
      <Card flush label={t.reviews.title}>
        {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
        {list.isPending && <Rows count={3} height={90} />}
        {list.isSuccess && items.length === 0 && <Empty icon="join" title={t.reviews.emptyTitle} text={t.reviews.emptyText} />}
        {items.length > 0 && <ul className={ui.list}>{items.map((review) => <One key={review.id} review={review} />)}</ul>}
        <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      </Card>
    </>
  );
}
