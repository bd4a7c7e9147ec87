import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { membersQuery, segmentQuery } from '../api/queries';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { useNow } from '../ui/now';
import { Back, Card, Code, Empty, Failure, More, PageHead, Pill, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { personName } from '../ui/names';
import { ListsOf } from './Lists';
import { People } from './people';
import { Listens, PlainCondition } from './SegmentPlain';
import { Built, HealthOf, OverlapOf, TrendOf, WhyMember } from './SegmentMore';

function Members({ id, onWhy }: { id: string; onWhy: (person: string) => void }) {
  const { t } = useWords();
  const list = useInfiniteQuery(membersQuery(id));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card flush title={t.segments.membersTitle}>
      {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
      {list.isPending && <Rows count={4} />}
      {items.length > 0 && (
        <People
          items={items} label={t.segments.membersTitle} slim
          more={{
            title: t.audience.why,
            of: (one) => (
              <Button size="compact-xs" variant="default" aria-label={t.audience.whyOf(personName(one.label, t))} onClick={() => onWhy(one.person_id)}>{t.audience.why}</Button>
            ),
          }}
        />
      )}
      {list.isSuccess && items.length === 0 && <Empty icon="persons" title={t.segments.noMembersTitle} text={t.segments.noMembersText} />}
      <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
    </Card>
  );
}

export function Segment() {
  const { t, f, say, language } = useWords();
  const now = useNow();
  const { id } = useParams({ from: '/inside/segments/$id' });
  const { person = '' } = useSearch({ from: '/inside/segments/$id' });
  const navigate = useNavigate();
  const ask = (one: string) => void navigate({ to: '/segments/$id', params: { id }, search: one === '' ? {} : { person: one }, replace: true, resetScroll: false });
  const { data: segment, error, refetch, isPending } = useQuery(segmentQuery(id));
  if (isPending) return <Rows count={8} />;
  if (error !== null || segment === undefined) return <Failure error={error} retry={() => void refetch()} />;
  return (
    <>
      <PageHead
        title={say(segment.title, segment.id)} back={<Back to="/segments">{t.segments.back}</Back>}
        badge={
          <>
            <Pill tone="teal" icon="persons">{t.segments.members(segment.members, f.number(segment.members))}</Pill>
            {segment.manual && <Pill icon="persons" title={t.lists.isListText}>{t.lists.isList}</Pill>}
            {segment.on_site && <Pill tone="warm" icon="web" title={t.segments.onSiteText}>{t.segments.onSite}</Pill>}
          </>
        }
        actions={segment.where !== '' && <Button onClick={() => void navigate({ to: '/segments/$id/edit', params: { id } })} leftSection={<Icon name="pen" size={15} />}>{t.builder.edit}</Button>}
        lead={
          <span className={ui.small}>
            <span className={ui.mono}>{segment.id}</span>
            {segment.updated_at !== null && <span title={f.exact(segment.updated_at)}> · {t.segments.updated(f.ago(segment.updated_at, now))}</span>}
          </span>
        }
      />
      <div className={ui.columns}>
        <div className={ui.side}>
          <Card title={t.segments.condition}>
            <PlainCondition where={segment.where} words={segment.words[language]} />
            {segment.where === '' ? <p style={{ margin: 0 }}>{t.lists.isListText}</p> : <details className={ui.fold}><summary>{t.builder.views.text}</summary><Code text={segment.where} label={t.segments.condition} wrap /></details>}
          </Card>
          <TrendOf id={id} />
          <WhyMember id={id} asked={person} onAsk={ask} />
          <OverlapOf id={id} />
        </div>
        <div className={ui.side}>
          <Built building={segment.building} />
          <ListsOf segment={segment} />
          <HealthOf id={id} />
          <Listens listens={segment.listens} />
          <Card title={t.segments.definition}><Code text={segment.definition} label={t.segments.definition} wrap /></Card>
        </div>
      </div>
      <div style={{ marginTop: '1.25rem' }}><Members id={id} onWhy={ask} /></div>
    </>
  );
}
