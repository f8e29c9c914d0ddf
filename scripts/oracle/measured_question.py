"""A request on one model: its clean run, its sources and targets, and F, the targets as a function
of the sources' values and of the error."""

from __future__ import annotations

import torch

import place_oracle
import places

BATCH = 64  # variants of a prompt in one pass


def forward(model, tokens, hooks=(), reads=(), held=None, scales=None):
    """({hook name: what is there}, centred logits of the last position) of one pass.

    hooks: (name, function of what is there); reads come behind them. held: constants for patterns
    and scales. scales: [1, seq], factors of the embedding. Without reads for the logits; with reads,
    the pass stops behind the last and the logits are None.
    """
    seen = {}

    def see(value, hook):
        seen[hook.name] = value

    def keep(value, hook):
        return held[hook.name].expand_as(value)

    all_hooks = [(name, lambda value, hook, f=f: f(value)) for name, f in hooks]
    all_hooks += [(name, see) for name in reads]
    all_hooks += [(name, keep) for name in held or ()]
    options = {}
    if reads:
        options["stop_at_layer"] = 1 + max(places.parse(name)[0] for name in reads)
    first = tokens
    if scales is not None:
        first = model(tokens, stop_at_layer=0) * scales[..., None]
        options["start_at_layer"] = 0
    out = model.run_with_hooks(first, fwd_hooks=all_hooks, **options)
    return seen, None if reads else out[:, -1]


def is_held(name):
    """What `frozen` holds constant."""
    return name.endswith(("hook_pattern", "ln1.hook_scale", "ln2.hook_scale", "ln_final.hook_scale"))


class Run:
    """A pass without interference: what the source's SAE makes of it."""

    def __init__(self, model, tokens, sae):
        seen, _ = forward(model, tokens, reads={sae.reads, sae.writes})
        self.read = seen[sae.reads]
        self.latents = sae.encode(self.read)  # [1, pos, d_sae]
        self.error = seen[sae.writes] - sae.decode(self.latents, self.read)


class Question:
    """A request: its clean run, its sources and targets, and F as a function of the sources."""

    def __init__(self, request, model, saes):
        self.request, self.model, self.saes = request, model, saes
        self.tokens = model.to_tokens(request["prompt"])
        self.target = place_oracle.end_of(request, saes)
        self.omits = request.get("error", "keep") == "omit"
        self.from_tokens = request["from"] == "tokens"
        if self.from_tokens:
            self.x, self.e = torch.ones(self.tokens.shape[1], dtype=model.cfg.dtype), None
        else:
            self.source = saes[request["from"]]
            self.find_sources()
        self.find_targets()

    def find_sources(self):
        clean = self.clean = Run(self.model, self.tokens, self.source)
        zero = torch.zeros_like
        latents, error = zero(clean.latents), zero(clean.error)
        if "patch" in self.request:
            tokens = self.model.to_tokens(self.request["patch"])
            if tokens.shape != self.tokens.shape:
                raise ValueError(f"{self.tokens.shape[1]} tokens, the patch {tokens.shape[1]}")
            patch = Run(self.model, tokens, self.source)
            latents, error = patch.latents, patch.error
        active = (clean.latents > 0) | (latents > 0)
        self.indices = torch.argwhere(active)[:, 1:]  # position, latent
        self.x, self.x0 = clean.latents[active], latents[active]
        self.e, self.e0 = (zero(error), zero(error)) if self.omits else (clean.error, error)

    def find_targets(self):
        end = self.end(self.x[None], self.e)
        if self.target:
            latents = self.target.encode(end)
            self.to = torch.argwhere(latents > 0)[:, 1:]
            self.margin = self.target.threshold_distances(end).min().item()
        else:
            self.ids = place_oracle.token_ids(self.request, end[0], self.model)

    def latents(self, values):
        """[batch, n] values of the sources as [batch, pos, d_sae] activations."""
        dense = torch.zeros(
            (len(values), *self.clean.latents.shape[1:]), dtype=values.dtype, device=values.device
        )
        dense[:, self.indices[:, 0], self.indices[:, 1]] = values
        return dense

    def stream(self, values, error):
        return self.source.decode(self.latents(values), self.clean.read) + error

    def end(self, values, error, held=None, reads=None):
        """What the target's SAE reads, or the last logits, [batch, ...], for [batch, n] values."""
        tokens = self.tokens.expand(len(values), -1)
        options = {"held": held, "reads": reads or ([self.target.reads] if self.target else [])}
        if self.from_tokens:
            options["scales"] = values
        else:
            stream = self.stream(values, error)
            options["hooks"] = [(self.source.writes, lambda x: stream.reshape(x.shape))]
        seen, logits = forward(self.model, tokens, **options)
        if reads:
            return seen
        return seen[self.target.reads] if self.target else logits

    def chosen(self, end):
        """F of every target, [batch, targets]."""
        if self.target:
            return self.target.encode(end)[:, self.to[:, 0], self.to[:, 1]]
        return torch.stack([place_oracle.chosen(self.request, row, self.ids) for row in end])

    def measure(self, values, error, held=None):
        return self.chosen(self.end(values, error, held))

    def measure_all(self, values, error):
        with torch.no_grad():
            return torch.cat([self.measure(part, error) for part in values.split(BATCH)])

    def held(self):
        """Patterns and scales of the clean run, in which the source's stream stands."""
        names = [name for name in self.model.hook_dict if is_held(name)]
        seen = {}

        def see(value, hook):
            seen[hook.name] = value

        with torch.no_grad(), self.model.hooks([(name, see) for name in names]):
            tokens = self.tokens
            if self.from_tokens:
                self.model(tokens)
            else:
                value = self.stream(self.x[None], self.e)
                put = lambda x, hook: value.reshape(x.shape)
                with self.model.hooks([(self.source.writes, put)]):
                    self.model(tokens)
        return seen

    def gradients(self, x=None, error=None, held=None, of_error=False):
        """[targets, sources], and with of_error [targets, ...] of the error too."""
        x = self.x if x is None else x
        error = self.e if error is None else error
        f = lambda x, e: self.measure(x[None], e, held)[0]
        if of_error:
            return torch.func.jacrev(f, argnums=(0, 1))(x, error)
        return torch.func.jacrev(f)(x, error)

    def describe(self):
        out = {"clean": self.measure(self.x[None], self.e)[0].tolist()}
        if self.from_tokens:
            out["source_pos"] = list(range(len(self.x)))
        else:
            out["source_pos"], out["source_latent"] = self.indices.T.tolist()
            out["source_activation"] = self.x.tolist()
            if "patch" in self.request:
                out["patch_activation"] = self.x0.tolist()
        if self.target:
            out["target_pos"], out["target_latent"] = self.to.T.tolist()
            out["margin"] = self.margin
        else:
            out["target_token"] = self.ids
        return out
