// Reads trees (JSON, a list) from standard input, makes rows of each and trees of these again; tells both. Run by test_builder.py.
import { readFileSync } from 'node:fs';
import { groupOf, groupTree } from '../../console/src/builder/model.ts';

const kinds = (item) => (item.kind === 'group' ? [item.mode, ...item.items.flatMap(kinds)] : [item.kind]);
const told = JSON.parse(readFileSync(0, 'utf8')).map((tree) => {
  const group = groupOf(tree);
  return { tree: groupTree(group) ?? { kind: 'bool', value: true }, kinds: kinds(group) };
});
process.stdout.write(JSON.stringify(told));
