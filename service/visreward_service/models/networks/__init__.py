"""Networks that no library holds natively: pure modules that know no files, no images and no tokenizers."""

from visreward_service.models.networks.fgclip import Branch, FGClip, FGClipConfig, WeightsMismatchError
from visreward_service.models.networks.roi import roi_weights

__all__ = ["Branch", "FGClip", "FGClipConfig", "WeightsMismatchError", "roi_weights"]
