"""What the products of the six Chinese futures exchanges are called: in Chinese, by the trade, in English, in pinyin.

The first name is the exchange's own, of its product lists and contract texts (shfe.com.cn, ine.cn, dce.com.cn,
czce.com.cn, gfex.com.cn, cffex.com.cn: 品种, 期货合约); the second, where there is one, is the trade's usual word
(沪铜, 郑棉, PVC); what follows are other words that people search by. The first English name is the exchange's too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from marketprism_domain.instruments.names import base_of, class_of, is_option, legs_of, product_of


class ChineseName(NamedTuple):
    """One name, and how it is read: syllables with spaces between, more than one reading where people differ."""

    text: str
    readings: tuple[str, ...]

    @property
    def pinyin(self) -> tuple[str, ...]:
        """Each reading in one word, `luowengang`."""
        return tuple(reading.replace(" ", "") for reading in self.readings)

    @property
    def initials(self) -> tuple[str, ...]:
        """The first letters of each reading, `lwg`; a number stays as it is, `10nqgz`."""
        return tuple("".join(part if part.isdecimal() else part[0] for part in r.split()) for r in self.readings)


class ProductNames(NamedTuple):
    """Names of one product. `product` is its code as the exchange writes it: `rb`, `SR`, `IF`."""

    venue: str
    product: str
    chinese: tuple[ChineseName, ...]
    english: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the exchange writes it."""
        return self.chinese[0].text

    @property
    def short(self) -> str:
        """As the trade calls it; the exchange's name where the trade has no other."""
        return self.chinese[1].text if len(self.chinese) > 1 else self.name


# A product a line: code, names with their readings and commas between, `/` before another reading, then English names.
_TABLE = {
    "shfe": """
ad 铸造铝合金 zhu zao lü he jin, 铝合金 lü he jin | Cast Aluminum Alloy, Aluminium Alloy
ag 白银 bai yin, 沪银 hu yin | Silver
al 铝 lü, 沪铝 hu lü, 电解铝 dian jie lü | Aluminum, Aluminium
ao 氧化铝 yang hua lü | Alumina
au 黄金 huang jin, 沪金 hu jin | Gold
br 丁二烯橡胶 ding er xi xiang jiao, 合成橡胶 he cheng xiang jiao, 顺丁胶 shun ding jiao | Butadiene Rubber
bu 石油沥青 shi you li qing, 沥青 li qing | Bitumen, Asphalt
cu 铜 tong, 沪铜 hu tong, 阴极铜 yin ji tong, 电解铜 dian jie tong | Copper
fu 燃料油 ran liao you, 燃油 ran you | Fuel Oil
hc 热轧卷板 re zha juan ban/re ya juan ban, 热卷 re juan | Hot-Rolled Coil, HRC
ni 镍 nie, 沪镍 hu nie | Nickel
op 胶版印刷纸 jiao ban yin shua zhi, 双胶纸 shuang jiao zhi | Offset Paper
pb 铅 qian, 沪铅 hu qian | Lead
rb 螺纹钢 luo wen gang, 螺纹 luo wen | Steel Rebar
ru 天然橡胶 tian ran xiang jiao, 橡胶 xiang jiao, 沪胶 hu jiao | Natural Rubber
sn 锡 xi, 沪锡 hu xi | Tin
sp 纸浆 zhi jiang, 漂针浆 piao zhen jiang | Woodpulp, Bleached Softwood Kraft Pulp
ss 不锈钢 bu xiu gang | Stainless Steel
wr 线材 xian cai | Wire Rod
zn 锌 xin, 沪锌 hu xin | Zinc
""",
    "ine": """
bc 国际铜 guo ji tong | Copper BC, Bonded Copper
ec 集运指数(欧线) ji yun zhi shu ou xian, 集运欧线 ji yun ou xian, 欧线集运 ou xian ji yun | \
Containerized Freight Index Europe Service, SCFIS Europe
lu 低硫燃料油 di liu ran liao you, 低硫燃油 di liu ran you, 低硫油 di liu you | Low Sulfur Fuel Oil, LSFO
nr 20号胶 20 hao jiao, 20胶 20 jiao, 二十号胶 er shi hao jiao | TSR 20, Rubber
sc 原油 yuan you | Crude Oil
""",
    "dce": """
a 黄大豆1号 huang da dou 1 hao, 豆一 dou yi, 大豆 da dou | No.1 Soybeans
b 黄大豆2号 huang da dou 2 hao, 豆二 dou er, 大豆 da dou | No.2 Soybeans
bb 胶合板 jiao he ban, 胶板 jiao ban, 细木工板 xi mu gong ban | Blockboard, Plywood
bz 纯苯 chun ben | Benzene
c 玉米 yu mi | Corn, Maize
cs 玉米淀粉 yu mi dian fen, 淀粉 dian fen | Corn Starch
eb 苯乙烯 ben yi xi | Styrene, Ethenylbenzene
eg 乙二醇 yi er chun, 甘醇 gan chun | Ethylene Glycol, MEG
fb 纤维板 xian wei ban, 纤板 xian ban | Fiberboard
i 铁矿石 tie kuang shi, 铁矿 tie kuang | Iron Ore
j 焦炭 jiao tan | Coke, Metallurgical Coke
jd 鸡蛋 ji dan | Egg
jm 焦煤 jiao mei | Coking Coal
l 聚乙烯 ju yi xi, 塑料 su liao, 线型低密度聚乙烯 xian xing di mi du ju yi xi | LLDPE, Polyethylene
lg 原木 yuan mu | Log
lh 生猪 sheng zhu | Live Hog
m 豆粕 dou po | Soybean Meal
p 棕榈油 zong lü you, 棕榈 zong lü | RBD Palm Olein, Palm Oil
pg 液化石油气 ye hua shi you qi, 液化气 ye hua qi | LPG, Liquefied Petroleum Gas
pp 聚丙烯 ju bing xi | Polypropylene, PP
rr 粳米 jing mi/geng mi | Polished Round-Grained Rice
v 聚氯乙烯 ju lü yi xi, PVC pvc | PVC, Polyvinyl Chloride
y 豆油 dou you | Soybean Oil
""",
    "czce": """
AP 苹果 ping guo | Apple
CF 棉花 mian hua, 郑棉 zheng mian, 一号棉 yi hao mian | Cotton
CJ 红枣 hong zao | Chinese Jujube, Red Dates
CY 棉纱 mian sha | Cotton Yarn
ER 早籼稻(旧) zao xian dao jiu, 早稻 zao dao | Early Rice (old)
FG 玻璃 bo li, 平板玻璃 ping ban bo li | Flat Glass
GN 绿豆 lü dou | Mung Bean
JR 粳稻 jing dao/geng dao | Japonica Rice
LR 晚籼稻 wan xian dao, 晚稻 wan dao, 晚籼 wan xian | Late Indica Rice
MA 甲醇 jia chun, 郑醇 zheng chun | Methanol
ME 甲醇(50吨) jia chun 50 dun, 郑醇 zheng chun | Methanol (50 t)
OI 菜油 cai you, 郑油 zheng you, 菜籽油 cai zi you | Rapeseed Oil
PF 短纤 duan xian, 涤纶短纤 di lun duan xian | Polyester Staple Fiber
PK 花生 hua sheng, 花生仁 hua sheng ren | Peanut Kernel
PL 丙烯 bing xi | Propylene
PM 普麦 pu mai, 普通小麦 pu tong xiao mai | Common Wheat
PR 瓶片 ping pian, 聚酯瓶片 ju zhi ping pian | Bottle Chip, PET Chip
PX 对二甲苯 dui er jia ben, PX px | Paraxylene, PX
RI 早籼稻 zao xian dao, 早稻 zao dao, 早籼 zao xian | Early Rice
RM 菜粕 cai po, 菜籽粕 cai zi po | Rapeseed Meal
RO 菜油(旧) cai you jiu, 菜籽油 cai zi you | Rapeseed Oil (old)
RS 油菜籽 you cai zi, 菜籽 cai zi | Rapeseed
SA 纯碱 chun jian | Soda Ash
SF 硅铁 gui tie | Ferrosilicon
SH 烧碱 shao jian | Caustic Soda
SM 锰硅 meng gui | Silicon Manganese
SR 白糖 bai tang, 郑糖 zheng tang, 白砂糖 bai sha tang | White Sugar
TA PTA pta, 郑PTA zheng pta, 精对苯二甲酸 jing dui ben er jia suan | PTA, Purified Terephthalic Acid
TC 动力煤(旧) dong li mei jiu, 郑煤 zheng mei | Thermal Coal (old)
UR 尿素 niao su | Urea
WH 强麦 qiang mai, 郑麦 zheng mai, 优质强筋小麦 you zhi qiang jin xiao mai | Strong Gluten Wheat
WS 强麦(旧) qiang mai jiu, 郑麦 zheng mai | Strong Gluten Wheat (old)
WT 硬麦 ying mai, 硬冬白小麦 ying dong bai xiao mai | Hard Winter Wheat
ZC 动力煤 dong li mei, 郑煤 zheng mei | Thermal Coal
""",
    "gfex": """
lc 碳酸锂 tan suan li | Lithium Carbonate
pd 钯 ba | Palladium
ps 多晶硅 duo jing gui | Polysilicon
pt 铂 bo | Platinum
si 工业硅 gong ye gui | Industrial Silicon
""",
    "cffex": """
IC 中证500股指 zhong zheng 500 gu zhi, 中证500 zhong zheng 500 | CSI 500 Index
IF 沪深300股指 hu shen 300 gu zhi, 沪深300 hu shen 300 | CSI 300 Index
IH 上证50股指 shang zheng 50 gu zhi, 上证50 shang zheng 50 | SSE 50 Index
IM 中证1000股指 zhong zheng 1000 gu zhi, 中证1000 zhong zheng 1000 | CSI 1000 Index
IO 沪深300股指期权 hu shen 300 gu zhi qi quan, 沪深300 hu shen 300 | CSI 300 Index Options
HO 上证50股指期权 shang zheng 50 gu zhi qi quan, 上证50 shang zheng 50 | SSE 50 Index Options
MO 中证1000股指期权 zhong zheng 1000 gu zhi qi quan, 中证1000 zhong zheng 1000 | \
CSI 1000 Index Options
T 10年期国债 10 nian qi guo zhai, 10年国债 10 nian guo zhai, 十年期国债 shi nian qi guo zhai, \
十年国债 shi nian guo zhai, 十债 shi zhai, 债十 zhai shi, 长期国债 chang qi guo zhai, 国债 guo zhai | \
10-Year Treasury Bond
TF 5年期国债 5 nian qi guo zhai, 5年国债 5 nian guo zhai, 五年期国债 wu nian qi guo zhai, \
五年国债 wu nian guo zhai, 五债 wu zhai, 债五 zhai wu, 国债 guo zhai | 5-Year Treasury Bond
TL 30年期国债 30 nian qi guo zhai, 30年国债 30 nian guo zhai, 三十年期国债 san shi nian qi guo zhai, \
三十年国债 san shi nian guo zhai, 三十债 san shi zhai, 超长债 chao chang zhai, 国债 guo zhai | 30-Year Treasury Bond
TS 2年期国债 2 nian qi guo zhai, 2年国债 2 nian guo zhai, 二年期国债 er nian qi guo zhai, \
两年期国债 liang nian qi guo zhai, 二债 er zhai, 债二 zhai er, 国债 guo zhai | 2-Year Treasury Bond
""",
}
_CODE = re.compile(r"[A-Za-z]+")
_SIDES = {"C": "看涨", "P": "看跌"}
_OPTION = re.compile(r"[A-Za-z]+(\d+F?)-?(?:MS-?)?([CP])-?(\d+(?:\.\d+)?)")


def _readings(text: str) -> tuple[str, ...]:
    """Each as it is typed: ü is v, or u by those who do not know that."""
    written = [text.replace("ü", "v"), text.replace("ü", "u")]
    return tuple(dict.fromkeys(form for each in written for form in each.split("/")))


def _names(venue: str, line: str) -> ProductNames:
    product, rest = line.split(" ", 1)
    chinese, english = rest.split(" | ")
    names = (name.split(" ", 1) for name in chinese.split(", "))
    read = tuple(ChineseName(text, _readings(readings)) for text, readings in names)
    return ProductNames(venue, product, read, tuple(english.split(", ")))


PRODUCT_NAMES: tuple[ProductNames, ...] = tuple(
    _names(venue, line) for venue, lines in _TABLE.items() for line in lines.strip().splitlines()
)
_OF = {(names.venue, names.product.lower()): names for names in PRODUCT_NAMES}


def names_of(venue: str, symbol: str) -> ProductNames | None:
    """Names of the product of a symbol, or of a product, at a Chinese futures exchange; None for all others."""
    return _OF.get((venue, base_of(product_of(symbol).lower())))


def chinese_name(venue: str, symbol: str) -> str:
    """An instrument's Chinese name by its product and its code: 螺纹钢2605 of `rb2605`, 豆粕2505看涨3000 of
    `m2505-C-3000`, of a combination its legs' with & between; empty where nobody knows the product."""
    legs = [_of_single(venue, leg) for leg in legs_of(symbol) or (symbol,)]
    return "&".join(legs) if all(legs) else ""


def _of_single(venue: str, symbol: str) -> str:
    names = names_of(venue, symbol)
    if names is None:
        return ""
    terms = _OPTION.fullmatch(symbol)
    if terms is None:
        return f"{names.name}{_CODE.sub('', symbol, count=1).removeprefix('_')}"
    return f"{names.name.removesuffix('期权')}{terms[1]}{_SIDES[terms[2]]}{terms[3]}"


def english_name(venue: str, symbol: str) -> str:
    """The English name of an instrument's product, of an option with that word; empty where nobody knows it."""
    names = names_of(venue, symbol)
    if names is None:
        return ""
    if not is_option(symbol):
        return names.english[0] if class_of(symbol) != "combination" else f"{names.english[0]} spread"
    return names.english[0] if names.english[0].endswith("Options") else f"{names.english[0]} Options"
