"""AVA1 to AVA5, VAE and GAN: one estimator, two switches per discriminator."""

from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real

import numpy as np

from avanet.ava import weights
from avanet.ava.heads import HEADS
from avanet.ava.plans import plan
from avanet.ava.protocol import Protocol
from avanet.ava.step import Step, build_players
from avanet.errors import InputError, unknown_name
from avanet.nn import DivergedError, NonFiniteError


def _check_choice(kind, got, known):
    if got not in known:
        raise unknown_name(kind, got, known)


def _check_rate(rate):
    if not isinstance(rate, Real) or not 0 < float(rate) <= 1:
        raise InputError(f"rate {rate!r} lies outside (0, 1]; the paper uses 0.01 to 1")


class AVA:
    """Adversarial variational autoencoder, trained by the paper's closed-form errors and plain SGD.

    Parameters
    ----------
    model : str
        "ava1" to "ava5", or one of the two poles, "ava-vae" and "ava-gan".
    latent_dim : int
        n, the dimension of z.
    hidden_dim : int
        Units of the one hidden layer of each network.
    rules : str
        Which errors drive the update: "printed", "printed-mean", "letter", "as-run", "exact",
        "as-run-mu4" (see `avanet.ava.plans`).
    rate : float
        gamma, in (0, 1].
    covariance : str
        "diagonal", or "full" (Sigma = L L^T from a Cholesky head).
    protocol : Protocol, optional
        Start values, logistic, update order, passes, channels.
    dtype : str
        "float32" or "float64".
    random_state : int or numpy.random.Generator
        Draws the start values, then every r, in the order of the images.

    Attributes
    ----------
    n_features_in_ : int
        Values per sample, all channels together.
    players_ : list of Players
        The networks, per colour channel.
    code_ : list of (mu, Sigma)
        Per channel, the encoder's last output in training, (1, n) each; None for the GAN.
    n_steps_ : int
        Updates made.

    Notes
    -----
    Data are (N, features), or images (N, H, W) or (N, H, W, C) with values in [0, 1]. With
    `Protocol(channels="separate")` each of the C channels has networks of its own, and they share
    the draw r. Codes and draws are (N, C, n) and (N, n).

    Examples
    --------
    >>> import numpy as np
    >>> from avanet import AVA
    >>> X = np.random.default_rng(0).random((8, 6, 5, 3))
    >>> model = AVA("ava5", latent_dim=2, hidden_dim=4, random_state=0).fit(X)
    >>> model.sample(2).shape
    (2, 6, 5, 3)
    """

    def __init__(self, model="ava1", *, latent_dim=10, hidden_dim=100, rules="printed", rate=0.5,
                 covariance="diagonal", protocol=None, dtype="float32", random_state=0):
        self.model = model
        self.latent_dim = latent_dim
        self.hidden_dim = hidden_dim
        self.rules = rules
        self.rate = rate
        self.covariance = covariance
        self.protocol = protocol
        self.dtype = dtype
        self.random_state = random_state

    # Training ---------------------------------------------------------------------------------

    def fit(self, X) -> "AVA":
        """Start anew and go through the images in order, one update an image.

        Raises
        ------
        InputError
            For parameters or data that make no sense.
        DivergedError
            At the first NaN or overflow, with step and layer.
        """
        X = self._as_array(X)
        self._start(X.shape[1:])
        channels = self._channels(X)
        for _ in range(self._protocol.passes):
            r = self._draw(len(X))
            if self.covariance == "diagonal":
                self._fit_compiled(channels, r)
            else:
                for i in range(len(X)):
                    self._update(channels[i: i + 1], r[i: i + 1])
        return self

    def step(self, x, r=None) -> "AVA":
        """One update on one sample, or on a batch (errors are averaged over it).

        Parameters
        ----------
        x : array
            One sample as in `fit`, or a batch of them. A model that has seen no data yet takes
            a batch, or one sample (features,).
        r : (n,) or (B, n) array, optional
            The draw of Eq. 8; drawn from the model's generator if not given.
        """
        shape = getattr(self, "shape_", None)
        if shape is None and np.ndim(x) == 3 and np.shape(x)[2] == 3:
            raise InputError("one image (H, W, C) or N gray ones (N, H, W)? before fit, step "
                             "expects a batch: give x[None] for one image")
        batch = np.ndim(x) > (1 if shape is None else len(shape))
        x = self._as_array(x if batch else np.asarray(x)[None])
        if shape is None:
            self._start(x.shape[1:])
        x = self._channels(x)
        if r is None:
            r = self._draw(len(x))
        else:
            r = self._codes(r if np.ndim(r) == 2 else [r], (self.latent_dim,), "draws r", len(x))
        self._update(x, r)
        return self

    # Use --------------------------------------------------------------------------------------

    def encode(self, X):
        """(mu, Sigma), each (N, C, n), of X; Sigma is (N, C, n, n) with full covariance."""
        self._need_encoder("encode")
        codes = [self._head.unpack(players.f.forward(x)[0])
                 for players, x in self._per_channel(X)]
        mu, Sigma = (np.stack(part, axis=1) for part in zip(*codes))
        return mu, Sigma if self.covariance == "diagonal" else Sigma @ np.swapaxes(Sigma, -1, -2)

    def decode(self, Z):
        """x' of codes Z : (N, C, n), or (N, n) to give every channel the same; shaped like X."""
        self._check_fitted()
        if np.ndim(Z) == 2:
            Z = np.repeat(np.asarray(Z)[:, None], len(self.players_), axis=1)
        Z = self._codes(Z, (len(self.players_), self.latent_dim), "codes")
        return self._images([players.g.forward(Z[:, c])[0]
                             for c, players in enumerate(self.players_)])

    def reconstruct(self, X):
        """The decoded means, g(mu(x)), shaped like X."""
        return self.decode(self.encode(X)[0])

    def sample(self, n: int, random_state=0):
        """n generated samples g(z), z ~ N(0, I) shared by the channels; shaped like X."""
        rng = np.random.default_rng(random_state)
        return self.decode(rng.standard_normal((n, self.latent_dim)))

    def sample_near_code(self, r):
        """g(mu + Sigma^(1/2) r) with the encoder's last mu and Sigma: what the paper scores.

        r : (N, n). The GAN decodes r itself.
        """
        self._check_fitted()
        r = self._codes(r, (self.latent_dim,), "draws r")
        if not self._plan.encoder:
            return self.decode(r)
        if self.code_ is None:
            raise InputError("training stopped at a NaN or an overflow, so there is no last code "
                             "to sample near; fit again, with a smaller rate")
        z = []
        for code in self.code_:
            mu, Sigma = (np.repeat(part, len(r), axis=0) for part in code)
            z.append(self._head.sample(mu, Sigma, r))
        return self.decode(np.stack(z, axis=1))

    def discriminate(self, X):
        """d(x) : (N, C), the probability that x is real, per channel.

        Raises
        ------
        InputError
            If the model has no discriminator of images.
        """
        self._check_fitted()
        if self.players_[0].d is None:
            raise InputError(f"{self.model} under rules {self.rules!r} has no discriminator d of "
                             "images; ava1, ava2, ava5 and ava-gan have one unless run 'as-run'")
        return np.concatenate(
            [players.d.forward(x)[0] for players, x in self._per_channel(X)], axis=1)

    def save(self, path) -> None:
        """Write weights and hyperparameters: .safetensors (extra `weights`) or .npz."""
        self._check_fitted()
        weights.save(self, path)

    @classmethod
    def load(cls, path) -> "AVA":
        """Read a model that `save` wrote; never executes anything from the file.

        Raises
        ------
        InputError
            If the file is damaged or was not written by avanet.
        """
        return weights.load(cls, path)

    def get_params(self, deep: bool = True) -> dict:
        """The hyperparameters, by name."""
        return {name: getattr(self, name) for name in weights.HYPERPARAMETERS}

    # Inside -----------------------------------------------------------------------------------

    def _start(self, shape):
        """Check the hyperparameters, build the networks, draw the start values."""
        self._plan = plan(self.model, self.rules)
        self._protocol = Protocol() if self.protocol is None else self.protocol
        if not isinstance(self._protocol, Protocol):
            raise InputError(f"protocol must be a Protocol, got {self.protocol!r}")
        _check_choice("covariance", self.covariance, HEADS)
        _check_rate(self.rate)
        for name in ("latent_dim", "hidden_dim"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, got {value!r}")
        try:
            self._rng = np.random.default_rng(self.random_state)
        except (TypeError, ValueError):
            raise InputError("random_state must be a non-negative whole number or a numpy "
                             f"Generator, got {self.random_state!r}") from None
        self.shape_ = tuple(shape)
        self.n_features_in_ = int(np.prod(shape))
        self.n_steps_ = 0
        self._head = HEADS[self.covariance](self.latent_dim)
        self._step = Step(self._plan, self._protocol, self._head)
        n_channels = self._n_channels()
        self.players_ = [
            build_players(self.n_features_in_ // n_channels, self.latent_dim, self.hidden_dim,
                          self._plan, self._protocol, self._rng, np.dtype(self.dtype), self._head)
            for _ in range(n_channels)]
        self.code_ = None

    def _draw(self, n):
        return self._rng.standard_normal((n, self.latent_dim)).astype(self.dtype)

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")
    def _update(self, channels, r):
        """One readable step of every channel; channels : (B, C, m)."""
        self.code_ = None
        try:
            code = [self._step(players, np.ascontiguousarray(channels[:, c]), r, float(self.rate))
                    for c, players in enumerate(self.players_)]
        except NonFiniteError as error:
            raise DivergedError(self.model, self.n_steps_ + 1, error.where) from None
        self.n_steps_ += 1
        if self._plan.encoder:
            self.code_ = [(mu[-1:], Sigma[-1:]) for mu, Sigma in code]

    def _fit_compiled(self, channels, r):
        """One pass of every channel, compiled, as many at a time as Numba has threads.

        Channels do not touch each other. Of several stops the earliest is reported.
        """
        from numba import get_num_threads

        from avanet.ava import fast
        self.code_ = None

        @np.errstate(over="ignore", divide="ignore", invalid="ignore")
        def one(c):
            return fast.run(self.players_[c], self._plan, self._protocol,
                            np.ascontiguousarray(channels[:, c]), r, self.rate)

        with ThreadPoolExecutor(min(len(self.players_), get_num_threads())) as threads:
            runs = list(threads.map(one, range(len(self.players_))))
        _, made, where = min(runs, key=lambda run: (run[1], not run[2]))
        self.n_steps_ += made
        if where:
            raise DivergedError(self.model, self.n_steps_ + (made < len(r)), where)
        self.code_ = [code for code, _, _ in runs] if self._plan.encoder else None

    def _n_channels(self):
        separate = len(self.shape_) == 3 and self._protocol.channels == "separate"
        return self.shape_[2] if separate else 1

    def _numbers(self, values, what):
        """Values as an array of the model's dtype, all finite."""
        _check_choice("dtype", self.dtype, ("float32", "float64"))
        try:
            values = np.asarray(values)
            if values.dtype.kind not in "biuf":
                raise ValueError(f"{values.dtype} values")
            with np.errstate(over="ignore"):
                values = values.astype(self.dtype)
        except ValueError as error:
            raise InputError(f"{what} are expected as an array of numbers ({error})") from None
        if not np.isfinite(values).all():
            raise InputError(f"the {what} contain NaN or infinity (in {self.dtype}); remove them")
        return values

    def _codes(self, values, shape, what, n=None):
        """Codes or draws of that shape, one per sample."""
        values = self._numbers(values, what)
        if values.shape != ((n or len(values) if values.ndim else 0), *shape):
            raise InputError(f"{what} of shape {(n or 'N', *shape)} expected, got {values.shape}")
        return values

    def _as_array(self, X):
        """Samples as an array of the model's dtype."""
        X = self._numbers(X, "data")
        if X.ndim not in (2, 3, 4) or not len(X) or not X[0].size:
            raise InputError("expected samples as (N, features), (N, H, W) or (N, H, W, C), "
                             f"got an array of shape {X.shape}")
        return X

    def _channels(self, X):
        """(N, C, m) from X; one channel unless they are separate."""
        if X.shape[1:] != self.shape_:
            raise InputError(f"samples of shape {self.shape_} expected, got {X.shape[1:]}")
        if self._n_channels() == 1:
            return X.reshape(len(X), 1, -1)
        return np.moveaxis(X, -1, 1).reshape(len(X), X.shape[-1], -1)

    def _images(self, outputs):
        """Samples shaped like X from the channels' outputs, each (N, m)."""
        if len(outputs) == 1:
            return outputs[0].reshape(-1, *self.shape_)
        return np.stack(outputs, axis=-1).reshape(-1, *self.shape_)

    def _per_channel(self, X):
        self._check_fitted()
        channels = self._channels(self._as_array(X))
        return [(players, np.ascontiguousarray(channels[:, c]))
                for c, players in enumerate(self.players_)]

    def _need_encoder(self, what):
        self._check_fitted()
        if not self._plan.encoder:
            raise InputError(f"{self.model} has no encoder, so it cannot {what}")

    def _check_fitted(self):
        if not hasattr(self, "players_"):
            raise InputError("this model is not fitted yet: call fit(X) or step(x) first")
