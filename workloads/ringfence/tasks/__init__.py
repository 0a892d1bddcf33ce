"""What is trained: model, encoding of rows, loss by record. Built-in tasks, and the base class of a user's own."""

from ringfence.tasks.autoencoder import Autoencoder
from ringfence.tasks.regressor import TabularRegressor
from ringfence.tasks.tabular import TabularClassifier
from ringfence.tasks.task import Task

__all__ = ["Autoencoder", "TabularClassifier", "TabularRegressor", "Task"]
