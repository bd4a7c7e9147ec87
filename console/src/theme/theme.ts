import { createTheme, type CSSVariablesResolver } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: { light: 8, dark: 7 },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: 'var(--ek-mono)',
  headings: { fontWeight: '650', sizes: { h1: { fontSize: '1.65rem', lineHeight: '1.25' }, h2: { fontSize: '1.1rem', lineHeight: '1.35' }, h3: { fontSize: '0.98rem', lineHeight: '1.4' } } },
  colors: {
    teal: ['#eaf7f4', '#d5efea', '#a9ded4', '#7fd1c4', '#68d3c5', '#35a99b', '#1f9184', '#15807a', '#0f6f67', '#0a544e'],
    dark: ['#e6eeee', '#c0d0d2', '#a5babd', '#77929a', '#3d5d66', '#24414a', '#18323a', '#12272d', '#0b1c21', '#081a1f'],
  },
});

export const variables: CSSVariablesResolver = () => {
  const own = {
    '--mantine-color-body': 'var(--ek-page)',
    '--mantine-color-text': 'var(--ek-text)',
    '--mantine-color-dimmed': 'var(--ek-dim)',
    '--mantine-color-placeholder': 'var(--ek-dim)',
    '--mantine-color-anchor': 'var(--ek-teal)',
    '--mantine-color-default-border': 'var(--ek-line)',
    '--mantine-color-error': 'var(--ek-red)',
    '--mantine-color-default': 'var(--ek-surface)',
    '--mantine-color-default-hover': 'var(--ek-surface-2)',
  };
  return { variables: {}, light: own, dark: own };
};
