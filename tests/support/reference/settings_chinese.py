"""`docs/zh/settings.md`: the settings in Chinese. A setting's meaning is the console's; what a page has besides stands here."""

from __future__ import annotations

import re

from marketprism_services.settings.meanings import meanings
from marketprism_services.settings.modes import mode_of
from marketprism_services.settings.variables import variable
from tests.support.reference.markdown import code, table
from tests.support.reference.settings import rows, sections_of

_HEAD = ("名称", "类型", "默认值", "单位", "范围", "含义", "何时生效", "环境变量")
_KINDS = {
    "number": "数",
    "whole number": "整数",
    "text": "文本",
    "secret text": "机密文本",
    "true or false": "true 或 false",
    "path": "路径",
    "URL": "URL",
    "list of texts": "文本列表",
    "list of secret texts": "机密文本列表",
    "list of tables": "表的列表",
    "table of texts": "文本的表",
    "table of numbers": "数的表",
    "table of whole numbers": "整数的表",
}
_UNITS = {
    "": "",
    "seconds": "秒",
    "milliseconds": "毫秒",
    "percent": "百分比",
    "days": "天",
    "a second": "每秒",
    "GB (10⁹ bytes)": "GB（10⁹ 字节）",
    "MB (10⁶ bytes)": "MB（10⁶ 字节）",
    "MiB (2²⁰ bytes)": "MiB（2²⁰ 字节）",
    "GiB (2³⁰ bytes)": "GiB（2³⁰ 字节）",
}
_MODES = {"at once": "立即", "at a restart": "重启后", "not centrally": "不能集中设置"}
_RANGES = (
    (r"(\S+) to (\S+)", r"\1 到 \2"),
    (r"more than (.+)", r"大于 \1"),
    (r"less than (.+)", r"小于 \1"),
    (r"at most (.+)", r"至多 \1"),
    (r"(\S+) or more", r"至少 \1"),
)
SECTIONS = {
    "streams": "所有服务都须相同。",
    "streams.raw": "收到的原始消息，打包存放。",
    "streams.ticks": "经过校验的 tick。",
    "streams.bars": "K 线及其修订。",
    "streams.events": "各服务的事件。",
    "streams.data": "加密货币交易所的成交、报价、订单簿等。",
    "streams.history": "文件中正在入库的行；其空间是 reserve 的一部分。",
    "ctp": '期货及期货期权的柜台，配合 source.spec = "ctp"。',
    "sopt": 'ETF 期权的柜台，配合 source.spec = "sopt"；各项设置同 [ctp]。',
    "venue": '一家加密货币交易所，配合 source.spec = "binance-usdm" 或其他市场。',
    "calendar": "国内交易所的休市安排，用于比软件包 chinesecalendar 更新的日期。",
    "store.tls": "用于 https:// 与 clickhouses://；文件改动后会重新读取。",
    "archive": "旧行存入文件；做法见 docs/archive.md。",
    "backup": "全部数据的加密副本；做法见 docs/backup.md。",
    "backup.keep": "按日、周、月各保留多少份最新的备份。",
    "api": "API 网关，端口为 http.api。",
    "api.oidc": "通过 OpenID 提供方登录；做法见 docs/access.md。",
    "api.backend": "怎样向后面的服务提问。",
    "api.stream": "实时流。",
    "notify": "通知服务；做法见 docs/notifications.md。",
    "rules": "校验 tick 的规则；各项含义见 marketprism_domain/ticks/rules.py。",
    "scheduler": "任务；做法见 docs/jobs.md。",
    "order": "订单的占用与限制；做法见 docs/orders.md。",
    "data": "以任务方式下载、检查、修复；做法见 docs/data.md。",
    "backtest": "在已存数据上运行策略；做法见 docs/backtests.md。",
    "http": "健康、指标、状态与 API；0 表示任取空闲端口。同机的第二个实例发现下列端口被占用时也任取一个。",
    "http.tls": "不填则为明文 HTTP；文件改动后会重新读取。",
    "lease": "谁当主：租约须长于两次心跳，探测须短于一次心跳。",
}


def range_in_chinese(text: str) -> str:
    """A range of the English page."""
    parts = []
    for part in text.split(", "):
        for pattern, chinese in _RANGES:
            if re.fullmatch(pattern, part):
                parts.append(re.sub(pattern, chinese, part))
                break
        else:
            parts.append(part.replace(" or ", " 或 "))
    return "，".join(parts)


def settings_page_in_chinese() -> str:
    """The page."""
    own = meanings("zh")["meanings"]
    parts = [
        "# 设置",
        "先是默认值，然后依次是文件（`--config marketprism.toml`）、用 [`marketprism config`](../configuration.md) 集中设置的值、\n"
        "环境变量、命令的选项：后者覆盖前者。「何时生效」一栏说明集中设置的值何时生效：立即、进程重启后，还是不能集中设置。\n"
        "名称不认识，或值超出范围，程序就停下来，并指明是哪一项。\n"
        "[deploy/config/marketprism.toml](../../deploy/config/marketprism.toml) 这个文件包含全部设置。\n\n"
        "环境变量里的列表用逗号分隔（`MARKETPRISM_BARS__INTERVALS=1m,5m`）；表的成员把名称写在两个下划线之后\n"
        "（`MARKETPRISM_STORE__KEEP_DAYS__MARKET_TICKS=365`），或者整张表写成 JSON\n"
        '（`MARKETPRISM_DATA__REST_URLS={"binance-usdm": "http://127.0.0.1:9000"}`）；列表的成员写序号\n'
        "（`MARKETPRISM_CTP__OTHERS__0__PASSWORD`）。默认值一栏为空的，默认不设置。机密从不写入文件、日志或错误信息。\n\n"
        "机密文本或 URL 可以放在文件里，就像 Docker 与 Kubernetes 挂载机密那样：变量名后面加 `_FILE`\n"
        "（`MARKETPRISM_CTP__PASSWORD_FILE=/run/secrets/ctp`），指向一个只有一行的文件，这一行就是值。文件不存在、为空、读不了，\n"
        "或者旁边还给了值，程序都会停下；所有用户都能读的文件会引起警告。\n\n"
        "本页由 `make docs` 根据代码生成。",
    ]
    for section, settings in sections_of(rows()).items():
        parts.append(f"## `[{section}]`" if section else "## 文件开头")
        if section in SECTIONS:
            parts.append(SECTIONS[section])
        lines = [
            (
                code(row.path[-1]),
                _KINDS[row.kind],
                code(row.default),
                _UNITS[row.unit],
                range_in_chinese(row.range),
                own[row.name],
                _MODES[mode_of(row.name).value],
                code(variable(row.path)),
            )
            for row in settings
        ]
        parts.append(table(_HEAD, lines))
    return "\n\n".join(parts) + "\n"
