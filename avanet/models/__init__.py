"""Models of the other papers, one short file each, loaded at first use.

>>> from avanet.models import model_class
>>> model_class("survey-vae").paper
'vae-gan-survey, Sec. 2'
"""

from importlib import import_module

from avanet.errors import unknown_name

MODELS = {  # name -> module, class
    "dcgan": ("dcgan", "DCGAN"),
    "classifier": ("classifier", "Classifier"),
    "survey-vae": ("survey_vae", "SurveyVAE"),
    "vaegan": ("vaegan", "VAEGAN"),
    "denoising-vaegan": ("vaegan", "DenoisingVAEGAN"),
}


def model_class(name: str):
    """The class of that name; `InputError`, with the nearest name, if there is none."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    module, kind = MODELS[name]
    return getattr(import_module(f"avanet.models.{module}"), kind)
