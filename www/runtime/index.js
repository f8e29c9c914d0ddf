// What the package `sae-attribution` exports: the client, and what reads its answers.

export { Client } from './client.js';
export { describeError } from './error.js';
export { isAfter, isPlace, isSame, order, otherName, writesAt } from './places.js';

/** @typedef {import('./client.js').ClientOptions} ClientOptions */
/** @typedef {import('./client.js').OpenOptions} OpenOptions */
/** @typedef {import('./client.js').AttributeOptions} AttributeOptions */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').SaeAddress} SaeAddress */
/** @typedef {import('./protocol.js').Opened} Opened */
/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {import('./protocol.js').Targets} Targets */
/** @typedef {import('./protocol.js').LogitTargets} LogitTargets */
/** @typedef {import('./protocol.js').TokenRef} TokenRef */
/** @typedef {import('./protocol.js').Progress} Progress */
/** @typedef {import('./protocol.js').Attribution} Attribution */
/** @typedef {import('./protocol.js').Nodes} Nodes */
/** @typedef {import('./protocol.js').Logits} Logits */
/** @typedef {import('./protocol.js').Ratio} Ratio */
/** @typedef {import('./protocol.js').DeviceKind} DeviceKind */
/** @typedef {import('./protocol.js').Notice} Notice */
/** @typedef {import('./protocol.js').CachedFile} CachedFile */
/** @typedef {import('./protocol.js').WasmAddresses} WasmAddresses */
