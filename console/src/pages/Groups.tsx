import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { groupMembersQuery, groupQuery, groupsQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { personName } from '../ui/names';
import { Back, Card, Empty, Failure, More, PageHead, Pill, Rows, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { plainValue, PropertyLine } from '../ui/values';
import { nameOf } from './belongs';

export function Groups() {
  const { t } = useWords();
  const { type } = useParams({ from: '/inside/groups/$type' });
  const list = useInfiniteQuery(groupsQuery(type));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const title = word(t.groups.many, type);
  return (
    <>
      <PageHead title={title} lead={t.groups.lead} back={<Back to="/persons">{t.persons.title}</Back>} />
      <Card flush>
        {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
        {list.isPending && <Rows />}
        {list.isSuccess && items.length === 0 && <Empty icon="persons" title={t.groups.emptyTitle} text={t.groups.emptyText} />}
        {items.length > 0 && (
          <TableWrap label={title}>
            <table className={ui.table}>
              <thead><tr><th scope="col">{t.groups.name}</th><th scope="col" className={ui.hidePhone}>{t.person.traits}</th></tr></thead>
              <tbody>
                {items.map((one) => (
                  <tr key={one.id}>
                    <th scope="row"><Link to="/groups/$type/$id" params={{ type: one.type, id: one.id }} className={ui.link ?? ''} style={{ overflowWrap: 'anywhere' }}>{nameOf(one)}</Link></th>
                    <td className={ui.hidePhone}><PropertyLine properties={one.traits} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </TableWrap>
        )}
        <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      </Card>
    </>
  );
}

export function Group() {
  const { t, f } = useWords();
  const { type, id } = useParams({ from: '/inside/groups/$type/$id' });
  const { data: group, error, refetch, isPending } = useQuery(groupQuery(type, id));
  const list = useInfiniteQuery(groupMembersQuery(type, id));
  const members = list.data?.pages.flatMap((page) => page.items) ?? [];
  if (isPending) return <Rows count={6} />;
  if (error !== null || group === undefined) return <Failure error={error} retry={() => void refetch()} />;
  const traits = Object.entries(group.traits);
  return (
    <>
      <PageHead
        title={nameOf(group)} badge={<Pill tone="teal" icon="persons">{t.segments.members(group.size, f.number(group.size))}</Pill>}
        back={<Link to="/groups/$type" params={{ type }} className={ui.back ?? ''}><Icon name="left" size={14} /> {word(t.groups.many, type)}</Link>}
        lead={<>{word(t.groups.types, type)} <span className={ui.mono}>{group.id}</span></>}
      />
      <div className={ui.columns}>
        <Card flush title={t.groups.members}>
          {group.size === 0 ? <Empty icon="persons" title={t.groups.noMembers} text={t.groups.noMembersText} /> : (
            <TableWrap label={t.groups.members}>
              <table className={ui.table}>
                <thead><tr><th scope="col">{t.persons.columns.person}</th><th scope="col">{t.groups.role}</th><th scope="col" className={ui.hidePhone}>{t.groups.since}</th></tr></thead>
                <tbody>
                  {members.map((one) => (
                    <tr key={one.person_id}>
                      <th scope="row"><Link to="/persons/$id" params={{ id: one.person_id }} className={ui.link ?? ''} style={{ overflowWrap: 'anywhere' }}>{personName(one.label, t)}</Link></th>
                      <td>{one.role ?? '–'} {one.contact_person && <Pill tone="teal">{t.groups.contactPerson}</Pill>}</td>
                      <td className={`${ui.small} ${ui.hidePhone}`}>{one.since !== null && f.moment(one.since)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </TableWrap>
          )}
          <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
        </Card>
        <Card title={t.person.traits}>
          {traits.length === 0 ? <div className={ui.dim}>{t.groups.noTraits}</div> : (
            <dl className={ui.pairs}>{traits.map(([name, value]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}>{plainValue(value)}</dd>])}</dl>
          )}
        </Card>
      </div>
    </>
  );
}
