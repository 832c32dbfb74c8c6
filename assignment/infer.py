"""Digits from a checkpoint, with your scheduler: a program that you write from this page. Handout 6.

    python infer.py --checkpoint FILE --output samples.png [--samples FILE.safetensors]
                    [--scheduler ddim|ddpm] [--steps 50] [--eta 0.0] [--num-images 64] [--seed 0]
                    [--initial-noise FILE.safetensors] [--device auto|cpu|cuda|mps]

What goes in
    --checkpoint     a file of train.py: one safetensors file with the network's weights and, in its metadata under the
                     key "config", JSON with `unet` (the arguments of UNet), `prediction_type`, `beta_schedule`,
                     `num_train_timesteps`, `beta_start` and `beta_end` (arguments of the schedulers)
    --scheduler      ddim (the default) or ddpm; variance_type and clip_sample are the defaults of the class
    --steps          how many timesteps are visited, 50 by default
    --eta            of DDIM, between 0 and 1; 0 by default; with ddpm it may not be given at all
    --num-images     N, 64 by default
    --seed           0 by default; the same seed, device and arguments give the same pixels
    --initial-noise  a safetensors file whose tensor `noise`, N x 1 x 28 x 28, is where sampling starts, instead of a
                     draw; it also sets N, whatever --num-images says
    --device         auto (the default: cuda where there is one, else cpu), cpu, cuda or mps
What comes out
    --output         a PNG: the images in torchvision's grid, ceil(sqrt(N)) to a row, padding 2; a sample x in [-1, 1]
                     has the pixel value (x + 1) / 2, rounded to 8 bits
    --samples        a safetensors file with the tensor `samples`, float32 N x 1 x 28 x 28, clamped to [-1, 1]
Exit status
    0                everything asked for was written
    1                the checkpoint is missing, unreadable or not one: one line on stderr
    2                wrong usage: a bad value, more steps than the checkpoint has timesteps, --eta with ddpm, a device
                     that this machine lacks

The schedulers are those of your scheduler.py, the network is UNet of unet.py. The network is called as model(x, t) with
t int64 of shape (B,): the timesteps of the scheduler's list.
"""

# TODO 6.1: everything: arguments, checkpoint, the loop over the timesteps, picture and samples (about 100 lines)
raise NotImplementedError("TODO 6.1")
