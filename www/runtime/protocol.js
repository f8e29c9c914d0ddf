// The shapes that cross between page, worker and runtime. Types only.

/**
 * What is opened. Addresses that begin with `folder:` mean files of this computer, which are handed over with it.
 * @typedef {object} Source
 * @property {{address: string, name?: string}} model base address of config.json, tokenizer.json, model.safetensors
 * @property {SaeAddress[]} saes of which the first that stands at a place is taken, and then folders are tried
 */

/**
 * Where SAEs are read from: cfg.json and sae_weights.safetensors in a folder of their own.
 * @typedef {object} SaeAddress
 * @property {string} address with `hook_name` the folder of this SAE; without, one that holds a folder for each
 *   place, named as the place is
 * @property {string} [hook_name] the place that it stands at, as TransformerLens names it
 * @property {string} [hook_name_out] where its decoder writes, if its cfg.json does not say: of transcoders
 * @property {number} [norm_scaling_factor] folded into its weights if they were trained on scaled activations
 * @property {string} [name] as in gpt2-small-res-jb
 */

/** @typedef {'webgpu' | 'cpu'} DeviceKind */

/**
 * What answers, and why it was chosen.
 * @typedef {object} Opened
 * @property {DeviceKind} device
 * @property {string} reason
 * @property {string} adapter name of the WebGPU adapter; empty on the CPU
 * @property {string} shape of matrix products that the adapter is fastest with
 * @property {{n_layer: number, n_ctx: number, vocab_size: number}} config
 */

/** One token, by its text or its id. @typedef {string | number} Token */

/**
 * What is differentiated: a place, the k largest logits of the last position, listed ones, or one minus another.
 * @typedef {string | {top_logits: number} | {logits: Token[]} | {logit_difference: [Token, Token]}} To
 */

/**
 * One question on one prompt. Places are named as TransformerLens does.
 * @typedef {object} Request
 * @property {string} prompt
 * @property {string} from `tokens` or a place with an SAE
 * @property {To} to
 * @property {'keep' | 'omit'} [error] of the source SAE: kept, or left out of the forward pass; kept if not given
 * @property {number} [threshold] of the pairs across positions; 2 if not given
 */

/**
 * @typedef {object} Progress
 * @property {'load' | 'forward' | 'encode' | 'jacobian'} phase
 * @property {number} done bytes, layers (of attention, MLPs), positions, directions × layers
 * @property {number} total
 * @property {number} flop of all matrix products since the model was opened
 * @property {number} [network] while loading: bytes that this request took from the network
 * @property {number} [cached] while loading: bytes that it took from what was kept or from a folder
 * @property {number} [rate] while loading: bytes per second of the last seconds
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

/**
 * Where an SAE was read from.
 * @typedef {object} SaeOf
 * @property {string} address its own folder
 * @property {string} [name]
 * @property {string} [revision] what stands behind `/resolve/` in the address
 * @property {string} [hook_name_out] of a transcoder: where it writes
 */

/**
 * Rows or columns of a result's matrices.
 * @typedef {object} Nodes
 * @property {'token' | 'latent' | 'logit' | 'logit_difference'} kind
 * @property {string} [hook_name] for latents: the place, as it was asked for
 * @property {SaeOf} [sae] for latents
 * @property {number} [d_sae] for latents
 * @property {Uint32Array} pos position in the prompt, BOS being 0
 * @property {Uint32Array} latent index in the SAE; empty for other kinds
 * @property {Uint32Array} token_id for tokens and logits; empty for other kinds
 * @property {Float32Array} activation
 * @property {string[]} label
 */

/**
 * Logits of the last position, centred over the vocabulary.
 * @typedef {object} Logits
 * @property {number[]} token_id
 * @property {string[]} string
 * @property {number[]} logit
 * @property {number[]} probability in [0, 1]
 */

/** @typedef {{nonzero: number, total: number, ratio: number}} Ratio */

/**
 * The reply to a request.
 * @typedef {object} Attribution
 * @property {number} format_version
 * @property {Request} request with nothing left to default
 * @property {{version: string, device: DeviceKind}} runtime
 * @property {{address: string, name?: string, revision?: string}} model where it was read from
 * @property {{token_id: number[], string: string[]}} tokens
 * @property {Nodes} sources columns of the matrices
 * @property {Nodes} targets rows of the matrices
 * @property {Float32Array} gradients [targets, sources] row-major
 * @property {Float32Array} attributions [targets, sources] row-major
 * @property {{threshold: number, target: Uint32Array, source: Uint32Array}} [off_staircase]
 * @property {Logits} [top_logits]
 * @property {Logits} [pair_logits] positive first
 * @property {Statistics} statistics
 */

/**
 * @typedef {object} Statistics
 * @property {Ratio} sparsity as the notebook counts it, positions left out
 * @property {Ratio} sparsity_over_positions
 * @property {number} source_l1
 * @property {number} target_l1
 * @property {number} gradient_l1
 * @property {number} attribution_l1
 * @property {number[]} sources_per_position
 * @property {number[]} targets_per_position
 * @property {number[]} sae_error_norm
 */

/**
 * Client to worker.
 * @typedef {{type: 'open', id: number, source: Source, device?: DeviceKind, shapes?: Record<string, string>,
 *     files?: Map<string, File>, isPrivate?: boolean}
 *   | {type: 'tokenize', id: number, prompt: string}
 *   | {type: 'complete', id: number, text: string, limit: number}
 *   | {type: 'attribute', id: number, request: Request}
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
