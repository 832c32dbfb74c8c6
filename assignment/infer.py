"""Digits from a checkpoint, with your scheduler: a program that you write from this page. Handout 6.

    python infer.py --checkpoint FILE --output samples.png [--samples FILE.safetensors]
                    [--scheduler ddim|ddpm] [--steps 50] [--eta 0.0] [--num-images 64] [--seed 0]
                    [--initial-noise FILE.safetensors] [--device auto|cpu|cuda|mps]

The arguments, ready to be copied; what is not given has these values:

    parser = argparse.ArgumentParser(description="Digits from a checkpoint")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--samples")
    parser.add_argument("--scheduler", choices=("ddim", "ddpm"), default="ddim")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--eta", type=float, default=0.0)
    parser.add_argument("--num-images", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--initial-noise")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    options = parser.parse_args()

What goes in
    --checkpoint     a file of train.py: one safetensors file with the network's weights and, in its metadata under the
                     key "config", JSON with `unet` (the arguments of UNet), `prediction_type`, `beta_schedule`,
                     `num_train_timesteps`, `beta_start` and `beta_end` (arguments of the schedulers)
    --scheduler      variance_type and clip_sample are the defaults of the class
    --steps          how many timesteps are visited
    --eta            of DDIM; DDPM has none
    --num-images     N
    --seed           the same seed, device and arguments give the same pixels
    --initial-noise  a safetensors file whose tensor `noise`, N x 1 x 28 x 28, is where sampling starts, instead of a
                     draw; it also sets N, whatever --num-images says
    --device         auto: cuda where there is one, else cpu
What comes out
    --output         a PNG: the images in torchvision's grid, ceil(sqrt(N)) to a row, padding 2; a sample x in [-1, 1]
                     has the pixel value (x + 1) / 2, rounded to 8 bits
    --samples        a safetensors file with the tensor `samples`, float32 N x 1 x 28 x 28, clamped to [-1, 1]
Exit status
    0                everything asked for was written
    1                the checkpoint is missing or cannot be read: one line on stderr, no traceback
    2                wrong usage: argparse does it by itself, and parser.error("why") for more steps than the checkpoint
                     has timesteps

The schedulers are those of your scheduler.py, the network is UNet of unet.py, and no other file of this folder is there
when infer.py is graded. The network is called as model(x, t) with t int64 of shape (B,): the timesteps of the
scheduler's list.
"""

# TODO 6.1: everything: arguments, checkpoint, the loop over the timesteps, picture and samples (about 50 lines)
raise NotImplementedError("TODO 6.1")
