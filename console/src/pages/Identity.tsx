import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { End, Evidence, Graph, IdentityChange } from '../api/data';
import { identityQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { Empty, Failure, Few, Pill, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { BOX, drawing, path, short } from './graph';
import css from './identity.module.css';

export function Ends({ a, b }: { a: End; b: End }) {
  const { t } = useWords();
  const one = (end: End) => <span><span className={ui.dim}>{word(t.words.identifier, end.kind)}</span> <span className={ui.mono}>{end.value}</span></span>;
  return <span className={css.ends}>{one(a)}<Icon name="minus" size={14} />{one(b)}</span>;
}

/** Who said it, when, and whether it was proved. */
export function Said({ edge }: { edge: Evidence }) {
  const { t, f } = useWords();
  return (
    <>
      <span className={ui.pills}>
        <Pill tone={edge.authenticated ? 'teal' : 'warm'} icon={edge.authenticated ? 'check' : 'info'}>{edge.authenticated ? t.identity.proved : t.identity.unproved}</Pill>
        <span className={ui.small}>{word(t.identity.evidence, edge.evidence)}</span>
      </span>
      <div className={`${ui.dim} ${ui.small}`}>
        {t.identity.saidBy(edge.source === '' ? t.identity.nobody : edge.source)}{edge.at !== null && ` · ${f.moment(edge.at)}`}
      </div>
    </>
  );
}

function Picture({ graph }: { graph: Graph }) {
  const { t, f } = useWords();
  const { nodes, lines, width, height, left } = drawing(graph);
  return (
    <figure className={css.picture}>
      <svg viewBox={`0 0 ${width} ${height}`} style={{ maxWidth: width }} role="img" aria-label={t.identity.picture(f.number(nodes.length), f.number(lines.length))}>
        {lines.map((line, place) => <path key={place} d={path(line)} className={css.wire} data-how={line.how} />)}
        {nodes.map((node) => (
          <g key={node.key} transform={`translate(${node.x} ${node.y})`} className={css.box} data-usable={node.usable}>
            <title>{`${word(t.words.identifier, node.kind)}: ${node.value}`}</title>
            <rect width={BOX.width} height={BOX.height} rx="9" />
            <text x="11" y="17" className={css.kind}>{word(t.words.identifier, node.kind)}</text>
            <text x="11" y="34">{short(node.value)}</text>
          </g>
        ))}
      </svg>
      <figcaption>
        {(['proved', 'unproved', 'signed'] as const).map((how) => (
          <span key={how}><svg width="34" height="8" aria-hidden="true"><path d="M1 4h32" className={css.wire} data-how={how} /></svg> {t.identity.legend[how]}</span>
        ))}
        {left > 0 && <span>{t.identity.left(f.number(left))}</span>}
      </figcaption>
    </figure>
  );
}

function EvidenceList({ edges }: { edges: Evidence[] }) {
  const { t } = useWords();
  return (
    <Few
      className={css.evidence} most={6}
      items={edges.map((edge) => (
        <li key={`${edge.a.kind}${edge.a.value}${edge.b.kind}${edge.b.value}`}>
          <Ends a={edge.a} b={edge.b} />
          <Said edge={edge} />
          {edge.other !== null && edge.other !== '' && (
            <Link to="/persons/$id" params={{ id: edge.other }} className={`${ui.textLink} ${ui.small}`}>{t.identity.otherPerson}</Link>
          )}
        </li>
      ))}
    />
  );
}

function Changes({ changes }: { changes: IdentityChange[] }) {
  const { t, f } = useWords();
  return (
    <ul className={css.evidence}>
      {changes.map((one, place) => (
        <li key={place}>
          <span className={ui.pills}>
            <Pill icon={one.kind === 'merge' ? 'join' : 'parted'}>{one.kind === 'merge' ? t.identity.merged : t.identity.split}</Pill>
            {one.persons.map((id) => <span key={id} className={ui.mono}>{id}</span>)}
          </span>
          <div className={`${ui.dim} ${ui.small}`}>
            {one.at !== null && f.moment(one.at)}
            {one.actor !== null && ` · ${t.identity.by(one.actor.replace(/^(staff|source):/, ''))}`}
          </div>
          {one.why !== null && one.why !== '' && <div>{t.identity.quoted(one.why)}</div>}
        </li>
      ))}
    </ul>
  );
}

function Devices({ graph }: { graph: Graph }) {
  const { t, f } = useWords();
  return (
    <Few
      className={css.evidence} most={4}
      items={graph.devices.map((device) => (
        <li key={device.value}>
          <span className={ui.mono}>{device.value}</span>
          {device.sign_ins.length === 0 ? <div className={`${ui.dim} ${ui.small}`}>{t.identity.neverSignedIn}</div> : device.sign_ins.map((one, place) => (
            <div key={place} className={ui.small}>
              {t.identity.signedIn(`${word(t.words.identifier, one.by.kind)} ${one.by.value}`)}
              <span className={ui.dim}>{one.at !== null && ` · ${f.moment(one.at)}`}{one.void && ` · ${t.identity.void}`}</span>
            </div>
          ))}
        </li>
      ))}
    />
  );
}

function Part({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  return (
    <section>
      <h2 className={css.head}>{title}</h2>
      {text !== undefined && <p className={`${ui.dim} ${ui.small}`} style={{ margin: '0 0 8px' }}>{text}</p>}
      {children}
    </section>
  );
}

export function Identity({ id }: { id: string }) {
  const { t, f } = useWords();
  const { data: graph, error, refetch, isPending } = useQuery(identityQuery(id));
  if (isPending) return <Rows count={5} />;
  if (error !== null || graph === undefined) return <div style={{ padding: '1rem' }}><Failure error={error} retry={() => void refetch()} /></div>;
  const joined = graph.edges.filter((edge) => edge.joined);
  const refused = graph.edges.filter((edge) => !edge.joined);
  return (
    <div className={css.pane}>
      <div className={css.actions}>
        <span className={ui.dim}>{t.identity.lead}</span>
        <span className={ui.pills}>
          <Link to="/persons/$id/merge" params={{ id }} className={css.action ?? ''}><Icon name="join" size={16} />{t.identity.merge}</Link>
          {graph.nodes.length > 1 && <Link to="/persons/$id/split" params={{ id }} className={css.action ?? ''}><Icon name="parted" size={16} />{t.identity.splitAction}</Link>}
        </span>
      </div>
      {graph.reviews > 0 && (
        <Link to="/reviews" search={{ person: graph.person_id }} className={ui.textLink ?? ''}>{t.identity.reviews(graph.reviews, f.number(graph.reviews))}</Link>
      )}
      {graph.nodes.length === 0 ? <Empty icon="graph" title={t.identity.emptyTitle} text={t.identity.emptyText} /> : <Picture graph={graph} />}
      <Part title={t.identity.evidenceTitle} text={t.identity.evidenceText}>
        {joined.length === 0 ? <p className={ui.dim} style={{ margin: 0 }}>{t.identity.noEvidence}</p> : <EvidenceList edges={joined} />}
      </Part>
      {refused.length > 0 && <Part title={t.identity.refusedTitle} text={t.identity.refusedText}><EvidenceList edges={refused} /></Part>}
      {graph.devices.length > 0 && <Part title={t.identity.devices} text={t.identity.devicesText}><Devices graph={graph} /></Part>}
      {graph.apart.length > 0 && (
        <Part title={t.identity.apart} text={t.identity.apartText}>
          <ul className={css.evidence}>{graph.apart.map((one, place) => <li key={place}><Ends a={one.a} b={one.b} />{one.at !== null && <div className={`${ui.dim} ${ui.small}`}>{f.moment(one.at)}</div>}</li>)}</ul>
        </Part>
      )}
      {graph.changes.length > 0 && <Part title={t.identity.changes}><Changes changes={graph.changes} /></Part>}
      {graph.aliases.length > 0 && (
        <Part title={t.identity.aliases} text={t.identity.aliasesText}><span className={ui.pills}>{graph.aliases.map((one) => <span key={one} className={ui.mono}>{one}</span>)}</span></Part>
      )}
    </div>
  );
}
