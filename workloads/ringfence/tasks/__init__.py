"""What is trained: model, encoding of rows, loss by record. Built-in tasks, and the base class of a user's own."""

from ringfence.tasks.autoencoder import Autoencoder
from ringfence.tasks.forecaster import Forecaster
from ringfence.tasks.images import ImageClassifier
from ringfence.tasks.pseudo_labels import PseudoLabels
from ringfence.tasks.recommender import Recommender
from ringfence.tasks.regressor import TabularRegressor
from ringfence.tasks.statistics import Statistics
from ringfence.tasks.tabular import TabularClassifier
from ringfence.tasks.task import Task
from ringfence.tasks.text import TextClassifier

__all__ = [
    "Autoencoder",
    "Forecaster",
    "ImageClassifier",
    "PseudoLabels",
    "Recommender",
    "Statistics",
    "TabularClassifier",
    "TabularRegressor",
    "Task",
    "TextClassifier",
]
