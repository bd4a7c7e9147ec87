// The builder of segments in a part of its own: it is loaded when somebody builds.

export { EditSegment, NewSegment } from './Builder';
