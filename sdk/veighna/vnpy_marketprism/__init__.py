"""VeighNa on MarketPrism: `Database`, `Datafeed` and `MarketPrismGateway`.

VeighNa imports this package where `database.name` or `datafeed.name` in `vt_setting.json` is `marketprism`.
"""

from vnpy_marketprism.database import Database
from vnpy_marketprism.datafeed import Datafeed
from vnpy_marketprism.door import WrongSetting
from vnpy_marketprism.gateway import MarketPrismGateway

__all__ = ["Database", "Datafeed", "MarketPrismGateway", "WrongSetting"]
