// The pages about data in one part of their own: who only reads reports does not load them.

export { Catalog } from './Catalog';
export { CatalogEvent } from './CatalogEvent';
export { DeadLetters } from './DeadLetters';
export { Destinations } from './Destinations';
export { Drafts, DraftsOf } from './Drafts';
export { Group, Groups } from './Groups';
export { Product, Products } from './Products';
export { Reviews } from './Reviews';
export { Sources } from './Sources';
export { MergePerson, SplitPerson } from './Stitch';
