"""PyTorch's side of deep.py: the training step of every model, gradients by autograd.

A step reads like avanet's `update` and `gradients` of the same model: the same passes, losses from
the same pass where avanet takes them so, and backward to the players alone that a loss is for.
"""

import math

import numpy as np
import torch
from torch.nn import functional
from torch_deep import Network, has_images, image


class Training:
    """A model's players as modules, and its step.

    Attributes
    ----------
    together : tuple of tuples of str
        The players of each of the step's optimisers; all in one unless a class says otherwise.
    """

    together: tuple[tuple[str, ...], ...] = ()

    def __init__(self, model, batch, last: bool, compiled: bool):
        self.config, self.last = model.config, last
        self.images = any(map(has_images, model.players_.values()))
        self.networks = {}
        for name, player in model.players_.items():
            images = has_images(player) or self.images and self.beside_images(name)
            network = Network(player, model.input_shape(name), last, images)
            self.networks[name] = network
            if compiled:
                network.module.compile()
            setattr(self, name, network.module)
        self.adams = {}
        for names in self.together or (tuple(self.networks),):
            adam = model.optimisers_[names[0]]
            self.adams[names] = torch.optim.Adam(
                self.of(*names), model.config.rate, (adam.beta1, adam.beta2), adam.epsilon,
                fused=True)
        self.x = self.picture(batch.x) if self.images else torch.from_numpy(
            batch.x.reshape(len(batch.x), -1).copy())
        self.labels = None if batch.labels is None else torch.from_numpy(batch.labels)
        self.draw = torch.randn

    def beside_images(self, name: str) -> bool:
        """Whether a player without convolutions takes or gives images nevertheless."""
        return False

    def picture(self, x):
        """Images or noise of avanet's layout as this side sees them."""
        return image(np.ascontiguousarray(x[:, ::-1, ::-1]), self.last)

    def of(self, *names):
        """The parameters of these players."""
        return [p for name in names for p in self.networks[name].parameters()]

    def normal(self, *shape):
        """N(0, 1) draws; of images (N, C, H, W)."""
        return self.draw(*shape)

    def step(self, draws=None, before=lambda names: None):
        """One training step; the losses, as avanet names them.

        draws : avanet's, in their order, for the comparison; own ones unless given.
        before : called with the players before each step of an optimiser.
        """
        if draws is not None:
            given = iter(draws)
            self.draw = lambda *shape: (torch.from_numpy(next(given)) if len(shape) == 2
                                        else self.picture(next(given)))
        self.before = before
        return self.update()

    def update(self):
        """All gradients from one pass, then a step of all players."""
        losses = self.backward()
        self.apply(*self.networks)
        return losses

    def backward(self):
        """All gradients."""
        raise TypeError(f"{type(self).__name__} defines no gradients")

    def apply(self, *names):
        """A step of the optimiser of these players, which then have no gradient."""
        self.before(names)
        self.adams[names].step()
        self.adams[names].zero_grad(set_to_none=True)


# Variational models ---------------------------------------------------------------------------


class SurveyVAE(Training):
    """The dense VAE."""

    def backward(self):
        _, reconstruction, kl = self.elbo()
        (reconstruction + kl).backward()
        return {"reconstruction": reconstruction, "kl": kl}

    def elbo(self):
        """(net input of the decoder's output, reconstruction, KL)."""
        mu, log_var = self.encoder(self.x).chunk(2, 1)
        v = self.decoder(self.drawn(mu, log_var))
        return v, cross_entropy(v, self.x), normal_kl(mu, log_var)

    def drawn(self, mu, log_var):
        """z = mu + sigma epsilon."""
        return mu + torch.exp(log_var / 2) * self.normal(*mu.shape)


class VAEGAN(SurveyVAE):
    """The VAE-GAN: both losses of one pass, each backward to its own players only."""

    def backward(self):
        v, reconstruction, kl = self.elbo()
        adversarial, discriminator = both(self.discriminator(self.x),
                                          self.discriminator(torch.sigmoid(v)))
        (reconstruction + kl + adversarial).backward(
            inputs=self.of("encoder", "decoder"), retain_graph=True)
        discriminator.backward(inputs=self.of("discriminator"))
        return {"reconstruction": reconstruction, "kl": kl, "adversarial": adversarial,
                "discriminator": discriminator}


class OverviewVAE(SurveyVAE):
    """Six convolutions each way, a normal log-likelihood."""

    weight = 0.0  # of the total correlation

    def beside_images(self, name):
        return True

    def backward(self):
        mu, log_var = self.encoder(self.x).chunk(2, 1)
        z = self.drawn(mu, log_var)
        error = torch.sigmoid(self.decoder(z)) - self.x
        reconstruction = error.square().sum() / (2 * self.config.scale**2 * len(z))
        kl = normal_kl(mu, log_var)
        losses = {"reconstruction": reconstruction, "kl": kl} | self.more(mu, log_var, z)
        (reconstruction + kl + self.weight * losses.get("total_correlation", 0)).backward()
        return losses

    def more(self, mu, log_var, z):
        """Losses beside these two."""
        return {}


class OverviewBetaTCVAE(OverviewVAE):
    """The same with the total correlation of the batch."""

    @property
    def weight(self):
        return self.config.beta - 1

    def more(self, mu, log_var, z):
        a = -((z[:, None] - mu).square() / log_var.exp() + log_var + math.log(2 * math.pi)) / 2
        log_M = math.log(len(z))
        log_q = a.sum(2).logsumexp(1) - log_M
        return {"total_correlation": (log_q - (a.logsumexp(1) - log_M).sum(1)).mean()}


# Adversarial models ---------------------------------------------------------------------------


class DCGAN(Training):
    """The DCGAN: both losses of one pass, each backward to its own player only."""

    def backward(self):
        fake = self.generator(self.seed())
        generator, discriminator = both(self.verdict(self.x), self.verdict(fake))
        generator.backward(inputs=self.of("generator"), retain_graph=True)
        discriminator.backward(inputs=self.of("discriminator"))
        return {"generator": generator, "discriminator": discriminator}

    def seed(self):
        return self.normal(len(self.x), self.config.latent)

    def verdict(self, x):
        return self.discriminator(x)


class CDCGAN(DCGAN):
    """The same, given labels: the discriminator has a logit for each."""

    def seed(self):
        return torch.cat([super().seed(), told(self)], 1)

    def verdict(self, x):
        return self.discriminator(x).gather(1, self.labels[:, None])


class CGAN(CDCGAN):
    """Dense networks, each with a draw and an optimiser of its own."""

    together = ("discriminator",), ("generator",)

    def update(self):
        with torch.no_grad():
            fake = self.generator(self.seed())
        _, discriminator = both(self.verdict(self.x), self.verdict(fake))
        discriminator.backward()
        self.apply("discriminator")
        v = self.verdict(self.generator(self.seed()))
        generator = cross_entropy(v, torch.ones_like(v))
        generator.backward(inputs=self.of("generator"))
        self.apply("generator")
        return {"discriminator": discriminator, "generator": generator}

    def verdict(self, x):
        return self.discriminator(torch.cat([x, told(self)], 1))


class LAPGAN(Training):
    """A GAN for each level of the pyramid, all from one pass."""

    def beside_images(self, name):
        return True

    def backward(self):
        losses = {}
        for k, (detail, below) in enumerate(self.pyramid()):
            generator, discriminator = (self.networks[f"{name}{k}"].module
                                        for name in ("generator", "discriminator"))
            if below is None:
                real, fake = detail, generator(self.normal(len(detail), self.config.latent))
            else:
                noise = self.normal(len(detail), 1, *below.shape[2:])
                real = torch.cat([detail, below], 1)
                fake = torch.cat([generator(torch.cat([below, noise], 1)), below], 1)
            losses[f"generator{k}"], losses[f"discriminator{k}"] = both(
                discriminator(real), discriminator(fake))
        for kind in ("generator", "discriminator"):
            names = [f"{kind}{k}" for k in range(self.config.levels)]
            sum(losses[name] for name in names).backward(
                inputs=self.of(*names), retain_graph=kind == "generator")
        return losses

    def pyramid(self):
        """(h_k, l_k) of every level; of the coarsest (I_K, None)."""
        parts, images = [], self.x
        for _ in range(self.config.levels - 1):
            coarser = functional.avg_pool2d(images, 2)
            below = functional.interpolate(coarser, scale_factor=2, mode="bilinear")
            parts.append((images - below, below))
            images = coarser
        return [*parts, (images, None)]


class BiGAN(Training):
    """Generator and encoder against a discriminator of pairs, all from one pass."""

    def backward(self):
        z = self.normal(len(self.x), self.config.latent)
        x_of_z, z_of_x = self.generator(z), self.encoder(self.x)
        v_real = self.discriminator(torch.cat([self.x, z_of_x], 1))
        v_fake = self.discriminator(torch.cat([x_of_z, z], 1))
        generator, discriminator = both(v_real, v_fake)
        encoder = cross_entropy(v_real, torch.zeros_like(v_real))
        (generator + encoder).backward(inputs=self.of("generator", "encoder"), retain_graph=True)
        discriminator.backward(inputs=self.of("discriminator"))
        return {"generator": generator, "encoder": encoder, "discriminator": discriminator}


class AAE(Training):
    """An autoencoder and a discriminator of its codes from draws of N(0, I), all from one pass."""

    def backward(self):
        z = self.encoder(self.x)
        reconstruction = cross_entropy(self.decoder(z), self.x)
        adversarial, discriminator = both(self.discriminator(self.normal(*z.shape)),
                                          self.discriminator(z))
        (reconstruction + self.config.adversarial * adversarial).backward(
            inputs=self.of("encoder", "decoder"), retain_graph=True)
        discriminator.backward(inputs=self.of("discriminator"))
        return {"reconstruction": reconstruction, "adversarial": adversarial,
                "discriminator": discriminator}


# The semi-supervised adversarial VAE ------------------------------------------------------------

ENCODER = ("stage 1", "stage 2", "stage 3", "code")


class SAVAEFirst(SurveyVAE):
    """Step 1: encoder and classifier."""

    together = ((*ENCODER, "classifier"),)

    def encode(self, x):
        """(features, mu, log sigma^2)."""
        outputs = []
        for name in ENCODER:
            x = self.networks[name].module(x)
            outputs.append(x)
        return outputs[:-1], *x.chunk(2, 1)

    def update(self):
        _, mu, log_var = self.encode(self.x)
        v = self.classifier(self.drawn(mu, log_var))
        categorical, kl = functional.cross_entropy(v, self.labels), normal_kl(mu, log_var)
        (categorical + self.config.kl * kl).backward()
        self.apply(*self.together[0])
        return {"kl": kl, "categorical": categorical}


class SAVAESecond(SAVAEFirst):
    """Step 2: the discriminator on real and on generated images, then the decoder."""

    together = ("discriminator",), ("decoder",)

    def __init__(self, *args):
        super().__init__(*args)
        self.classifier.eval()

    def update(self):
        real = (self.discriminator(self.x) - 1).square().mean()
        real.backward()
        self.apply("discriminator")
        with torch.no_grad():
            x_hat = self.regenerated()[0]
        generated = (self.discriminator(x_hat) + 1).square().mean()
        generated.backward()
        self.apply("discriminator")
        losses = self.decoder_losses()
        c = self.config
        (losses["reconstruction"] + c.beta * losses["adversarial"]
         + c.gamma * losses["latent"]).backward(inputs=self.of("decoder"))
        self.apply("decoder")
        return {"real": real, "generated": generated} | losses

    def regenerated(self):
        """(x^, z, features of x)."""
        with torch.no_grad():
            features, mu, log_var = self.encode(self.x)
            z = self.drawn(mu, log_var)
        return torch.sigmoid(self.decoder(z)), z, features

    def decoder_losses(self):
        """L_rec, L_adv and L_latent."""
        x_hat, z, features = self.regenerated()
        features_hat, mu, log_var = self.encode(x_hat)
        with torch.no_grad():
            verdict, p = self.discriminator(self.x), torch.softmax(self.classifier(z), 1)
        p_hat = torch.softmax(self.classifier(self.drawn(mu, log_var)), 1)
        return {
            "reconstruction": sum(
                self.config.alpha**i * (f_hat - f).square().mean()
                for i, (f_hat, f) in enumerate(zip(features_hat, features))),
            "adversarial": (self.discriminator(x_hat) - verdict).square().mean(),
            "latent": (p_hat - p).square().sum() / len(z)}


# Losses -----------------------------------------------------------------------------------------


def cross_entropy(v, target):
    """Summed over the values of a sample, mean over the batch."""
    return functional.binary_cross_entropy_with_logits(v, target, reduction="sum") / len(v)


def both(v_real, v_fake):
    """(-E[log D(x')], -E[log D(x)] - E[log(1 - D(x'))]) from logits."""
    return (cross_entropy(v_fake, torch.ones_like(v_fake)),
            cross_entropy(v_real, torch.ones_like(v_real))
            + cross_entropy(v_fake, torch.zeros_like(v_fake)))


def normal_kl(mu, log_var):
    """KL(N(mu, sigma^2) || N(0, I)), mean over the batch."""
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum() / len(mu)


def told(training):
    """One-hot labels times sqrt(classes)."""
    classes = training.config.classes
    return math.sqrt(classes) * functional.one_hot(training.labels, classes).to(training.x.dtype)


TRAININGS = {"survey-vae": SurveyVAE, "vaegan": VAEGAN, "dcgan": DCGAN, "cgan": CGAN,
             "cdcgan": CDCGAN, "lapgan": LAPGAN, "bigan": BiGAN, "aae": AAE,
             "overview-vae": OverviewVAE, "overview-beta-tcvae": OverviewBetaTCVAE}


def training(model, batch, last: bool = False, compiled: bool = False) -> Training:
    """PyTorch's side of an avanet model; of `savae` the step that its setting `first` chooses."""
    if model.name == "savae":
        kind = SAVAEFirst if model.config.first else SAVAESecond
    else:
        kind = TRAININGS[model.name]
    return kind(model, batch, last, compiled)
