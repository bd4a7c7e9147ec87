import { Button, PasswordInput, TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { ApiError, post } from '../api/client';
import { sessionQuery } from '../api/queries';
import type { Session } from '../api/types';
import { Languages } from '../app/Shell';
import { useWords } from '../i18n';
import { Mark } from '../ui/icons';
import { Failure } from '../ui/parts';
import css from './signin.module.css';

function Waves() {
  const wave = (y: number) => `M-20 ${y}c80-90 160-90 240 0s160 90 240 0 160-90 240 0 160 90 240 0`;
  return (
    <svg className={css.waves} viewBox="0 0 900 300" preserveAspectRatio="none" fill="none" strokeWidth="2" aria-hidden="true">
      {[70, 100, 130, 160, 190].map((y, n) => <path key={y} d={wave(y)} stroke={n % 2 === 0 ? '#5fd0c1' : '#f0a06a'} opacity={1 - n * 0.15} />)}
    </svg>
  );
}

export function SignIn() {
  const { t, suggest } = useWords();
  const client = useQueryClient();
  const router = useRouter();
  const { next } = useSearch({ from: '/sign-in' });
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const enter = useMutation({
    mutationFn: () => post<Session>('/api/session', { name, password }),
    onSuccess: async (session) => {
      client.clear();
      client.setQueryData(sessionQuery.queryKey, session);
      suggest(session.language);
      router.history.push(next ?? '/');
    },
  });
  const wrong = enter.error instanceof ApiError && (enter.error.status === 401 || enter.error.status === 403);
  useEffect(() => {
    document.title = `${t.signIn.title} · Einklang`;
  }, [t]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name !== '' && password !== '') enter.mutate();
  };
  return (
    <div className={css.page}>
      <aside className={css.poster}>
        <Waves />
        <div className={css.brand}><Mark size={36} /> Einklang</div>
        <div className={css.claim}><p>{t.app.tagline}</p><p>{t.signIn.claimText}</p></div>
      </aside>
      <main className={css.side}>
        <form className={css.form} onSubmit={submit} noValidate>
          <div>
            <Title order={1}>{t.signIn.title}</Title>
            <div style={{ color: 'var(--ek-dim)' }}>{t.signIn.lead}</div>
          </div>
          <TextInput
            label={t.signIn.name} name="name" autoComplete="username" autoCapitalize="none" autoFocus required withAsterisk={false}
            value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong}
          />
          <PasswordInput
            label={t.signIn.password} name="password" autoComplete="current-password" required withAsterisk={false}
            value={password} onChange={(event) => setPassword(event.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': t.signIn.reveal, 'aria-hidden': false, tabIndex: 0 }}
            error={wrong ? t.signIn.wrong : undefined}
          />
          {enter.error !== null && !wrong && <Failure error={enter.error} />}
          <Button type="submit" size="md" loading={enter.isPending}>{t.signIn.action}</Button>
          <div style={{ color: 'var(--ek-dim)', fontSize: '0.86rem' }}>{t.signIn.hint}</div>
          <div className={css.tools}><Languages /></div>
        </form>
      </main>
    </div>
  );
}
