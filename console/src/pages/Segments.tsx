import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { segmentsQuery } from '../api/queries';
import type { SegmentItem } from '../api/types';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { useNamed } from '../ui/named';
import { useNow } from '../ui/now';
import { Card, Code, Empty, Failure, PageHead, Pill, Rows, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { Upload } from './Lists';
import { StageCounts } from './stages';

const EXAMPLE = `kind: segment
id: active-shopper
title: {de: Aktive Käufer, en: Active shoppers}
where: 'events("Order Completed").within("30d").count() >= 2'

# einklang apply segment.yaml`;

const emptied = (one: SegmentItem): boolean => one.manual && one.where === '' && one.members === 0;

export function Segments() {
  const { t, f, say, language } = useWords();
  const now = useNow();
  const list = useQuery(segmentsQuery);
  const navigate = useNavigate();
  const { spoken } = useNamed();
  const [uploading, setUploading] = useState(false);
  const [empties, setEmpties] = useState(false);
  const hidden = (list.data?.items ?? []).filter(emptied).length;
  const dated = list.data?.items.some((segment) => segment.updated_at !== null) ?? false;
  return (
    <>
      <PageHead
        title={t.segments.title} lead={t.segments.lead}
        actions={
          <span className={ui.pills}>
            <Button variant="default" aria-expanded={uploading} leftSection={<Icon name="persons" size={15} />} onClick={() => setUploading(!uploading)}>{t.lists.upload}</Button>
            <Button leftSection={<Icon name="plus" size={15} />} onClick={() => void navigate({ to: '/segments/new' })}>{t.builder.create}</Button>
          </span>
        }
      />
      {uploading && <div style={{ marginBottom: '1rem' }}><Card title={t.lists.upload}><Upload /></Card></div>}
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {!list.isError && (
        <Card flush>
          {list.isPending && <Rows />}
          {list.data?.items.length === 0 && (
            <Empty icon="segments" title={t.segments.emptyTitle} text={t.segments.emptyText}><Code text={EXAMPLE} label="segment.yaml" /></Empty>
          )}
          {list.data !== undefined && list.data.items.length > 0 && (
            <TableWrap label={t.segments.title}>
              <table className={ui.table}>
                <thead>
                  <tr>
                    <th scope="col">{t.segments.columns.segment}</th>
                    <th scope="col" className={ui.hidePhone}>{t.segments.columns.condition}</th>
                    <th scope="col" className={ui.num}>{t.segments.columns.members}</th>
                    {dated && <th scope="col" className={ui.hideTablet}>{t.segments.columns.updated}</th>}
                  </tr>
                </thead>
                <tbody>
                  {list.data.items.filter((one) => empties || !emptied(one)).map((segment) => (
                    <tr key={segment.id}>
                      <th scope="row" style={{ minWidth: '11rem' }}>
                        <Link to="/segments/$id" params={{ id: segment.id }} className={ui.link ?? ''}>{say(segment.title, segment.id)}</Link>
                        <div className={`${ui.dim} ${ui.mono}`} style={{ fontWeight: 400 }}>{segment.id}</div>
                      </th>
                      <td className={`${ui.hidePhone} ${ui.small}`}><span className={ui.twoLines} title={segment.where}>{segment.where === '' ? t.lists.isListText : spoken(segment.words[language] ?? segment.where)}</span></td>
                      <td className={ui.num}>
                        <b>{f.number(segment.members)}</b>
                        {segment.building != null && <div style={{ whiteSpace: 'normal' }}><Pill tone="warm" icon="clock">{t.audience.building}</Pill></div>}
                      </td>
                      {dated && (
                        <td className={`${ui.small} ${ui.hideTablet}`} style={{ whiteSpace: 'nowrap' }}>
                          {segment.updated_at !== null && <time dateTime={segment.updated_at} title={f.exact(segment.updated_at)}>{f.ago(segment.updated_at, now)}</time>}
                        </td>
                      )}
                    </tr>
                  ))}
                </tbody>
              </table>
            </TableWrap>
          )}
          {hidden > 0 && <div style={{ padding: '0.6rem 1.25rem' }}><Button size="xs" variant="default" aria-expanded={empties} onClick={() => setEmpties(!empties)}>{t.lists.empties(f.number(hidden))}</Button></div>}
        </Card>
      )}
      <div style={{ display: 'grid', gap: '1rem', marginTop: '1rem' }}><StageCounts /></div>
    </>
  );
}
