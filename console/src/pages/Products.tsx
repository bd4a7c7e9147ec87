import { CloseButton, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import type { Product as ProductData, ProductRecord } from '../api/data';
import { productQuery, productsQuery } from '../api/data_queries';
import type { Json, Properties } from '../api/types';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { Back, Card, Code, Empty, Failure, More, PageHead, Rows, TableWrap, Tiles } from '../ui/parts';
import ui from '../ui/ui.module.css';

const EXAMPLE = `product_id,name,category,brand,price,currency,margin
g-118,Oak garden bench,Garden furniture,Hain,249.00,EUR,84.00

# einklang import products products.csv`;
/** The name of a product: one text, or one per language. */
function useName(): (product: { product_id: string; name: string | null; properties: Properties }) => string {
  const { language } = useWords();
  return (product) => {
    const texts = product.properties['texts'];
    const own = isRow(texts) ? (texts[language] ?? Object.values(texts)[0]) : undefined;
    const said = isRow(own) ? own['name'] : undefined;
    return typeof said === 'string' ? said : (product.name ?? product.product_id);
  };
}

const isRow = (value: Json | undefined): value is Properties => value !== null && typeof value === 'object' && !Array.isArray(value);

const currencyOf = (row: Properties): string | null => (typeof row['currency'] === 'string' ? row['currency'] : null);

function Table({ items }: { items: ProductData[] }) {
  const { t, f } = useWords();
  const nameOf = useName();
  return (
    <TableWrap label={t.products.title}>
      <table className={ui.table}>
        <thead>
          <tr>
            <th scope="col">{t.products.product}</th><th scope="col" className={ui.hidePhone}>{t.products.category}</th>
            <th scope="col" className={ui.hideTablet}>{t.products.brand}</th><th scope="col" className={ui.num}>{t.products.price}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => (
            <tr key={one.product_id}>
              <th scope="row">
                <Link to="/products/$id" params={{ id: one.product_id }} className={ui.link ?? ''} style={{ overflowWrap: 'anywhere' }}>{nameOf(one)}</Link>
                <div className={`${ui.dim} ${ui.mono}`} style={{ fontWeight: 400 }}>{one.product_id}</div>
              </th>
              <td className={ui.hidePhone}>{one.category ?? '–'}</td>
              <td className={ui.hideTablet}>{one.brand ?? '–'}</td>
              <td className={ui.num}>{one.price === null ? '–' : f.money(one.price, currencyOf(one.properties))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableWrap>
  );
}

export function Products() {
  const { t } = useWords();
  const { q = '' } = useSearch({ from: '/inside/products' });
  const navigate = useNavigate();
  const [typed, setTyped] = useState(q);
  const list = useInfiniteQuery(productsQuery(q));
  const put = (text: string) => void navigate({ to: '/products', replace: true, search: text.trim() === '' ? {} : { q: text.trim() } });
  const putSoon = useDebouncedCallback(put, 250);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHead title={t.products.title} lead={t.products.lead} />
      <Card flush>
        <div style={{ padding: '1rem 1.25rem' }} role="search">
          <TextInput
            type="search" size="md" aria-label={t.products.search} placeholder={t.products.placeholder} value={typed} leftSection={<Icon name="search" />}
            onChange={(event) => { setTyped(event.currentTarget.value); putSoon(event.currentTarget.value); }}
            rightSection={typed !== '' && <CloseButton aria-label={t.app.clear} onClick={() => { setTyped(''); put(''); }} />}
          />
        </div>
        {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
        {list.isPending && <Rows />}
        {items.length > 0 && <Table items={items} />}
        {list.isSuccess && items.length === 0 && (q === ''
          ? <Empty icon="box" title={t.products.emptyTitle} text={t.products.emptyText}><Code text={EXAMPLE} label="products.csv" /></Empty>
          : <Empty icon="search" title={t.products.noMatchTitle(q)} text={t.products.noMatchText} />)}
        <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      </Card>
    </>
  );
}

function Value({ value }: { value: Json }) {
  const { f } = useWords();
  if (Array.isArray(value)) return <ul className={ui.list}>{value.map((one, place) => <li key={place}><Value value={one} /></li>)}</ul>;
  if (isRow(value)) {
    return <dl className={ui.pairs}>{Object.entries(value).map(([name, one]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}><Value value={one} /></dd>])}</dl>;
  }
  return <>{value === null ? '–' : typeof value === 'number' ? f.number(value) : String(value)}</>;
}

function Prices({ product }: { product: ProductRecord }) {
  const { t, f } = useWords();
  if (product.prices.length === 0) return null;
  return (
    <Card title={t.products.prices}>
      <dl className={ui.pairs}>
        {product.prices.map((one, place) => [
          <dt key={`${place}-when`}>{[one.from !== undefined && t.objects.from(f.date(one.from)), one.until !== undefined && t.objects.until(f.date(one.until))].filter(Boolean).join(' ') || t.products.always}</dt>,
          <dd key={place}>{one.price === undefined ? '–' : f.money(one.price, one.currency ?? product.currency)}</dd>,
        ])}
      </dl>
    </Card>
  );
}

function Stock({ product }: { product: ProductRecord }) {
  const { t } = useWords();
  const branches = Object.entries(product.branches);
  if (branches.length === 0) return null;
  return (
    <Card title={t.products.branches}>
      <dl className={ui.pairs}>{branches.map(([branch, n]) => [<dt key={`${branch}-name`}>{branch}</dt>, <dd key={branch}><Value value={n} /></dd>])}</dl>
    </Card>
  );
}

function Related({ product }: { product: ProductRecord }) {
  const { t } = useWords();
  const found = (['accessories', 'successors', 'substitutes'] as const).filter((name) => product[name].length > 0);
  if (found.length === 0) return null;
  return (
    <Card title={t.products.related}>
      <dl className={ui.pairs}>
        {found.map((name) => [
          <dt key={`${name}-name`}>{t.products.relations[name]}</dt>,
          <dd key={name}>
            <span className={ui.pills}>
              {product[name].map((one) => <Link key={one.product_id} to="/products/$id" params={{ id: one.product_id }} className={ui.pill ?? ''}>{one.name ?? one.product_id}</Link>)}
            </span>
          </dd>,
        ])}
      </dl>
    </Card>
  );
}

const SHOWN = new Set(['product_id', 'name', 'category', 'brand', 'price', 'currency', 'margin', 'prices', 'branches', 'stock', 'accessories', 'successors', 'substitutes']);

export function Product() {
  const { t, f } = useWords();
  const nameOf = useName();
  const { id } = useParams({ from: '/inside/products/$id' });
  const { data: product, error, refetch, isPending } = useQuery(productQuery(id));
  if (isPending) return <Rows count={6} />;
  if (error !== null || product === undefined) return <Failure error={error} retry={() => void refetch()} />;
  const row = product.properties;
  const rest = Object.entries(row).filter(([name, value]) => value !== null && !SHOWN.has(name));
  const margin = row['margin'];
  const small = (text: string) => <span style={{ fontSize: '1rem', overflowWrap: 'anywhere' }}>{text}</span>;
  return (
    <>
      <PageHead title={nameOf(product)} back={<Back to="/products">{t.products.title}</Back>} lead={<span className={ui.mono}>{product.product_id}</span>} />
      <Tiles
        label={t.products.figures}
        items={[
          { label: t.products.price, value: product.price === null ? '–' : f.money(product.price, product.currency) },
          ...(typeof margin === 'number' ? [{ label: t.products.margin, value: f.money(margin, product.currency) }] : []),
          ...(product.stock === null ? [] : [{ label: t.products.stock, value: f.number(product.stock), ...(product.stock === 0 && { tone: 'warm' as const }) }]),
          { label: t.products.category, value: small(product.category ?? (product.categories.join(', ') || '–')) },
          { label: t.products.brand, value: small(product.brand ?? '–') },
        ]}
      />
      <div className={ui.stack}>
        <Related product={product} />
        <Prices product={product} />
        <Stock product={product} />
        {rest.length > 0 && (
          <Card title={t.products.record}>
            <dl className={ui.pairs}>{rest.map(([name, value]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}><Value value={value} /></dd>])}</dl>
          </Card>
        )}
      </div>
    </>
  );
}
