"""Models of the other papers, one short file each, loaded at first use.

>>> from avanet.models import model_class
>>> model_class("survey-vae").paper
'vae-gan-survey, Sec. 2'
"""

from importlib import import_module

from avanet.errors import unknown_name
from avanet.tensors import not_ours, read_tensors

MODELS = {  # name -> module, class
    "classifier": ("classifier", "Classifier"),
    "survey-vae": ("survey_vae", "SurveyVAE"),
    "vaegan": ("vaegan", "VAEGAN"),
    "denoising-vaegan": ("denoising", "DenoisingVAEGAN"),
    "gan": ("gan", "GAN"),
    "dcgan": ("dcgan", "DCGAN"),
    "cgan": ("conditional", "CGAN"),
    "cdcgan": ("conditional", "CDCGAN"),
    "lapgan": ("lapgan", "LAPGAN"),
    "bigan": ("bigan", "BiGAN"),
    "aae": ("aae", "AAE"),
    "savae": ("savae", "SAVAE"),
    "overview-ae": ("overview", "OverviewAE"),
    "overview-vae": ("overview_vae", "OverviewVAE"),
    "overview-beta-vae": ("overview_vae", "OverviewBetaVAE"),
    "overview-beta-tcvae": ("overview_tcvae", "OverviewBetaTCVAE"),
}
AVA_MODELS = ("ava1", "ava2", "ava3", "ava4", "ava5", "ava-vae", "ava-gan")


def model_class(name: str):
    """The class of that name; `InputError`, with the nearest name, if there is none."""
    if name in AVA_MODELS:
        return import_module("avanet.models.ava").CLASSES[name]
    if name not in MODELS:
        raise unknown_name("model", name, (*MODELS, *AVA_MODELS))
    module, kind = MODELS[name]
    return getattr(import_module(f"avanet.models.{module}"), kind)


def load(path):
    """The model that a file holds, whichever it is; see `avanet.models.base.Model.load`."""
    header, _ = read_tensors(path)
    with not_ours(path):
        kind = model_class(header["model"])
    return kind.load(path)


def __getattr__(name: str):
    """`from avanet.models import SurveyVAE`: each class is imported when it is asked for."""
    for module, kind in MODELS.values():
        if kind == name:
            return getattr(import_module(f"avanet.models.{module}"), kind)
    raise AttributeError(f"module 'avanet.models' has no attribute {name!r}")
