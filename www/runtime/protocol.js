// The shapes that cross between page, worker and runtime. Types only: those of the runtime are its own, in types.d.ts.

/** Addresses that begin with `folder:` mean files of this computer. @typedef {import('./types.js').Addresses} Source */
/** @typedef {import('./types.js').SaeAddress} SaeAddress */
/** @typedef {import('./types.js').SaeOrigin} SaeOrigin */
/** @typedef {import('./types.js').Request} Request */
/** @typedef {import('./types.js').Targets} Targets */
/** @typedef {import('./types.js').LogitTargets} LogitTargets */
/** @typedef {import('./types.js').TokenRef} TokenRef */
/** @typedef {import('./types.js').Attribution} Attribution */
/** @typedef {import('./types.js').Nodes} Nodes */
/** @typedef {import('./types.js').Logits} Logits */
/** @typedef {import('./types.js').Ratio} Ratio */
/** @typedef {import('./types.js').DeviceKind} DeviceKind */
/** @typedef {import('./types.js').Method} Method */
/** @typedef {import('./types.js').Fit} Fit */
/** @typedef {import('./types.js').Intervention} Intervention */
/** @typedef {import('./types.js').Intervened} Intervened */
/** @typedef {import('./types.js').CurveRequest} CurveRequest */
/** @typedef {import('./types.js').Curves} Curves */
/** @typedef {import('./types.js').Generation} Generation */
/** @typedef {import('./types.js').Generated} Generated */

/**
 * What answers, and why it was chosen.
 * @typedef {object} Opened
 * @property {DeviceKind} device
 * @property {string} reason
 * @property {string} adapter name of the WebGPU adapter; empty on the CPU
 * @property {string} [missing] where there is an adapter, but the server has no WebGPU build, or not yet: the address of
 *   its wasm. Once that is there, `open` takes it
 * @property {string} shape of matrix products that the adapter is fastest with
 * @property {{n_layer: number, n_ctx: number, vocab_size: number}} config
 */

/**
 * How far a phase has come, in bytes, attention layers and MLPs, positions, directions × layers, or tokens. While loading
 * also bytes that this request took from the network, those from what was kept or from a folder, and bytes per
 * second of the last seconds.
 * @typedef {import('./types.js').Progress & {network?: number, cached?: number, rate?: number}} Progress
 */

/**
 * A file of which bytes are kept for the next visit.
 * @typedef {object} CachedFile
 * @property {string} url
 * @property {number} bytes that are kept
 * @property {number} [total] length of the whole file, where it is known
 */

/**
 * What a person should know though nothing failed: `cache-none`, `cache-full`, `cache-busy`,
 * `file-corrupt`, `waiting`.
 * @typedef {{code: string, message: string}} Notice
 */

/** The absolute address of each build's wasm. @typedef {Record<import('./builds.js').Build, string>} WasmAddresses */

/**
 * Client to worker.
 * @typedef {{type: 'open', id: number, source: Source, wasm: WasmAddresses, device?: DeviceKind,
 *     shapes?: Record<string, string>, files?: Map<string, File>, isPrivate?: boolean}
 *   | {type: 'tokenize', id: number, prompt: string}
 *   | {type: 'complete', id: number, text: string, limit: number}
 *   | {type: 'attribute', id: number, request: Request}
 *   | {type: 'intervene', id: number, request: Intervention}
 *   | {type: 'curves', id: number, request: CurveRequest}
 *   | {type: 'generate', id: number, request: Generation}
 *   | {type: 'memory', id: number}
 *   | {type: 'cancel', id: number}
 *   | {type: 'cache-list', id: number}
 *   | {type: 'cache-remove', id: number, url: string}
 *   | {type: 'cache-clear', id: number}
 * } ToWorker
 */

/**
 * Worker to client: `started` comes first. After `fault` the worker answers no more.
 * @typedef {{type: 'started'}
 *   | {type: 'reply', id: number, value: any}
 *   | {type: 'error', id: number, code: string, message: string}
 *   | {type: 'progress', id: number, progress: Progress}
 *   | {type: 'notice', code: string, message: string}
 *   | {type: 'fault', message: string}
 * } FromWorker
 */

export {};
