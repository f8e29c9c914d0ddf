// The SAEs of GPT-2 small that are published as safetensors: where each stands, and what neuronpedia.org calls it.
//
// Names are those of SAELens' table of releases, but for the transcoders, which it does not have. Revisions are
// fixed where one is known, so that results can be told apart from those of a later one.

/** @typedef {import('../runtime/protocol.js').SaeAddress} SaeAddress */

/**
 * @typedef {object} Release
 * @property {string} name
 * @property {string} title
 * @property {'residual' | 'layer' | 'transcoder'} group
 * @property {number} d_sae
 * @property {(SaeAddress & {hook_name: string})[]} saes
 * @property {Record<string, string>} neuronpedia names of the SAEs there, by place
 */

/** @param {number} n */
const first = (n) => Array.from({ length: n }, (_, i) => i);
const BLOCKS = first(12);

/**
 * @param {Omit<Release, 'saes' | 'neuronpedia'>} about
 * @param {string} repository on the hub, and revision
 * @param {number[]} blocks
 * @param {(block: number) => Omit<SaeAddress, 'address'> & {hook_name: string, folder: string, id?: string}} at
 * @returns {Release}
 */
function release(about, repository, blocks, at) {
  const places = blocks.map((block) => {
    const { folder, id, ...sae } = at(block);
    const address = `https://huggingface.co/${repository}/${encodeURIComponent(folder)}`;
    return { id, sae: { address, ...sae, name: about.name } };
  });
  return {
    ...about,
    saes: places.map(({ sae }) => sae),
    neuronpedia: Object.fromEntries(places.flatMap(({ id, sae }) => (id ? [[sae.hook_name, id]] : []))),
  };
}

const RES_JB = release(
  { name: 'gpt2-small-res-jb', title: 'resid_pre, res-jb, 24,576 latents', group: 'residual', d_sae: 24_576 },
  'jbloom/GPT2-Small-SAEs-Reformatted/resolve/57d08a4fd333fbf18caf3fbea63ceeb88e2f50d9',
  first(13),
  (block) => {
    const hook_name = block === 12 ? 'blocks.11.hook_resid_post' : `blocks.${block}.hook_resid_pre`;
    return { hook_name, folder: hook_name, id: `${block}-res-jb` };
  },
);

/** The same place with dictionaries of different sizes: how latents split. */
const SPLITTING = [768, 1536, 3072, 6144, 12_288, 24_576, 49_152, 98_304].map((d_sae) =>
  release(
    {
      name: `gpt2-small-res-jb-feature-splitting-${d_sae}`,
      title: `resid_pre 8, feature splitting, ${d_sae.toLocaleString('en-US')} latents`,
      group: 'residual',
      d_sae,
    },
    'jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8/resolve/2adca04e431b09f0a92ffcdaa6c23e5931fea9c7',
    [8],
    () => ({
      hook_name: 'blocks.8.hook_resid_pre',
      folder: `blocks.8.hook_resid_pre_${d_sae}`,
      id: `8-res_fs${d_sae}-jb`,
    }),
  ),
);

/** OpenAI's: what Neuronpedia calls the place, the place, size and revision. */
const OPENAI = /** @type {const} */ ([
  ['att', 'attn_out', 32, '6be0410e7b4ec5614f39329854cc05db44a6dbdd'],
  ['att', 'attn_out', 128, 'main'],
  ['mlp', 'mlp_out', 32, 'main'],
  ['mlp', 'mlp_out', 128, 'd544291e4c03bc92a6071f23bd5acb3f565f4bfc'],
  ['res_mid', 'resid_mid', 32, 'main'],
  ['res_mid', 'resid_mid', 128, 'ceef8ed23ca29558710689821500b5d3e8714879'],
  ['res_post', 'resid_post', 32, '21df74db7b9f690cd2403a20485cf75f46330d0d'],
  ['res_post', 'resid_post', 128, 'd0a7c500557ace75a8a70569723a8df0cc144a89'],
]).map(([id, point, size, revision]) => {
  const kebab = point.replace('_', '-');
  // The folders of this one release are named like the files that they replaced.
  const end = point === 'resid_post' && size === 32 ? '.pt' : '';
  return release(
    {
      name: `gpt2-small-${kebab}-v5-${size}k`,
      title: `${point}, OpenAI v5, ${(1024 * size).toLocaleString('en-US')} latents`,
      group: point.startsWith('resid') ? 'residual' : 'layer',
      d_sae: 1024 * size,
    },
    `jbloom/GPT2-Small-OAI-v5-${size}k-${kebab}-SAEs/resolve/${revision}`,
    BLOCKS,
    (block) => ({
      hook_name: `blocks.${block}.hook_${point}`,
      folder: `v5_${size}k_layer_${block}${end}`,
      id: `${block}-${id}_${size}k-oai`,
    }),
  );
});

/** By block: what activations were scaled by in training, and the version of the folder. */
const MLP_TM_SCALES = [
  1.049317316132615, 2.3693984005104283, 1.6411934982190302, 1.8958522157897557, 1.81673478700627, 1.550234472245924,
  1.3237742807210804, 1.1042905114723296, 0.9123762783479742, 0.6955335635232373, 0.3619728926727644,
  0.2851548652550073,
];
const MLP_TM_VERSIONS = [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2];
const MLP_TM = release(
  { name: 'gpt2-small-mlp-tm', title: 'mlp_out, mlp-tm, 24,576 latents', group: 'layer', d_sae: 24_576 },
  'tommmcgrath/gpt2-small-mlp-out-saes/resolve/main',
  BLOCKS,
  (block) => ({
    hook_name: `blocks.${block}.hook_mlp_out`,
    folder: `sae_group_gpt2_blocks.${block}.hook_mlp_out_24576:v${MLP_TM_VERSIONS[block]}`,
    norm_scaling_factor: MLP_TM_SCALES[block],
  }),
);

/** Trained for what they do downstream: what was trained on, and revision. */
const AJT = Object.entries({
  sce: '63405632314af469591b5844ddae1112c89a6fda',
  scefr: 'ec19cce5f988a8bb7a53a37a49ef0e5c7f10ea34',
  scl: 'main',
  sle: 'main',
  slefr: 'main',
  sll: 'eb11a93404a750e83151a1e2bd645d7784a01105',
}).map(([kind, revision]) =>
  release(
    {
      name: `gpt2-small-res_${kind}-ajt`,
      title: `resid_pre 2, 6, 10, res_${kind}-ajt, 46,080 latents`,
      group: 'residual',
      d_sae: 46_080,
    },
    `neuronpedia/gpt2-small__res_${kind}-ajt/resolve/${revision}`,
    [2, 6, 10],
    (block) => ({
      hook_name: `blocks.${block}.hook_resid_pre`,
      folder: `${block}-res_${kind}-ajt`,
      id: `${block}-res_${kind}-ajt`,
    }),
  ),
);

const TRANSCODERS = release(
  { name: 'gpt2-small-transcoders', title: 'MLP transcoders, 24,576 latents', group: 'transcoder', d_sae: 24_576 },
  'callummcdougall/arena-demos-transcoder/resolve/3c3cdb6abcaee7dd47b12085c7d73340462459ef',
  first(9),
  (block) => ({
    hook_name: `blocks.${block}.ln2.hook_normalized`,
    // Nothing in its files says so.
    hook_name_out: `blocks.${block}.hook_mlp_out`,
    folder: `gpt2-small-layer-${block}-mlp-transcoder-folded-b_dec_out`,
    id: `${block}-tres-dc`,
  }),
);

/** SAEs at all of a model's places together: from one kind of place to another can be asked only of such. */
const small = OPENAI.filter(({ d_sae }) => d_sae === 32_768);
/** @type {Release} */
const OPENAI_TOGETHER = {
  name: 'gpt2-small-v5-32k',
  title: 'attn_out, resid_mid, mlp_out, resid_post, OpenAI v5, 32,768 latents',
  group: 'layer',
  d_sae: 32_768,
  saes: small.flatMap(({ saes }) => saes),
  neuronpedia: Object.assign({}, ...small.map(({ neuronpedia }) => neuronpedia)),
};

/** @type {Release[]} */
export const RELEASES = [RES_JB, ...SPLITTING, ...OPENAI, OPENAI_TOGETHER, MLP_TM, ...AJT, TRANSCODERS];
