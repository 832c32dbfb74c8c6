"""Changes what other code relies on: default dtype, gradients, seeds, the environment, the folder it stands in."""
import os
import random

import numpy
import torch

torch.set_default_dtype(torch.float16)
torch.set_grad_enabled(False)
torch.manual_seed(1)
numpy.random.seed(1)
random.seed(1)
os.environ["OMP_NUM_THREADS"] = "1000"
os.chdir("/")
