"""Of T5 the last two blocks of both stacks learn (D27)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  layers = {"encoder": config.t5.encoder_layers}
  layers["decoder"] = config.t5.decoder_layers
  last = "|".join(
    f"{stack}/layers_{number}/"
    for stack, count in layers.items()
    for number in range(max(count - 2, 0), count)
  )
  config.optimizer.trainable = rf"^t5/({last})|^(?!t5/)"
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
