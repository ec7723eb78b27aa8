"""What stands where on the site: four kinds of pages, and in each the folders and pages that belong to it.

A pattern takes every page that is there, in the order of names: a new page of a folder needs no row. A page that no row
takes fails the strict build.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias, Union

from links import ROOT, headings, twin_of

DOCS = ROOT / "docs"
Entry: TypeAlias = Union[str, "Section"]


class Section(NamedTuple):
    """A part of the navigation: its name in both languages, and its pages by name or pattern from `docs`."""

    name: str
    chinese: str
    entries: tuple[Entry, ...]


SECTIONS = (
    Section("Tutorial", "教程", ("tutorial/*.md",)),
    Section(
        "How-to guides",
        "操作指南",
        (
            Section(
                "Set up",
                "安装与设置",
                ("installing.md", "configuration.md", "access.md", "nats-access.md", "sizing.md", "upgrading.md"),
            ),
            Section("Deploy", "部署", ("deployment/*.md",)),
            Section("Use data", "使用数据", ("how-to/*.md", "read-api.md", "live-stream.md", "foreign-clients.md")),
            Section("VeighNa", "VeighNa", ("veighna.md", "vnpy-gateways.md", "from-datarecorder.md")),
            Section("Trade and test", "回测与交易", ("backtests.md", "paper-trading.md", "orders.md")),
            Section("Keep data", "数据管理", ("data.md", "rules.md", "archive.md", "backup.md", "jobs.md")),
            Section("Watch", "监控", ("monitoring.md", "notifications.md")),
            Section("Operate by plan", "计划内运维", ("runbooks/operate/*.md",)),
            Section("When an alert comes", "告警处理", ("runbooks/*.md",)),
        ),
    ),
    Section(
        "Reference",
        "参考",
        (
            "reference/*.md",
            "settings.md",
            "metrics.md",
            "subjects.md",
            "tables.md",
            "status.md",
            "log-events.md",
            "terms.md",
            Section("Commands", "命令", ("reference/cli/*.md",)),
            Section("Requests", "HTTP 请求", ("reference/http/*.md",)),
        ),
    ),
    Section(
        "Explanation",
        "原理",
        (
            "explanation/*.md",
            "proof.md",
            "performance/*.md",
            "releasing.md",
            Section("Decisions", "设计决定", ("adr/*.md",)),
        ),
    ),
)


# In a Chinese frame a page has a Chinese name, before anybody has translated it.
CHINESE = {
    "access.md": "访问控制",
    "archive.md": "归档",
    "backtests.md": "回测",
    "backup.md": "备份",
    "configuration.md": "集中设置",
    "data.md": "数据",
    "installing.md": "安装",
    "jobs.md": "任务",
    "live-stream.md": "实时流",
    "log-events.md": "日志事件",
    "metrics.md": "指标",
    "monitoring.md": "监控",
    "nats-access.md": "NATS 权限",
    "notifications.md": "通知",
    "orders.md": "订单计算",
    "paper-trading.md": "模拟交易",
    "read-api.md": "通过 HTTP 读取",
    "releasing.md": "发布版本",
    "rules.md": "校验规则",
    "sizing.md": "容量",
    "status.md": "服务状态",
    "subjects.md": "NATS 主题与流",
    "tables.md": "数据表",
    "upgrading.md": "升级与回退",
    "deployment/containers.md": "容器与 Compose",
    "deployment/hybrid.md": "托管机房与云",
    "deployment/kubernetes.md": "Kubernetes",
    "deployment/systemd.md": "systemd：一台机器与两台",
    "deployment/three-nodes.md": "三节点",
    "performance/README.md": "性能",
    "proof.md": "保证如何被检验",
    "runbooks/README.md": "全部告警",
    "runbooks/operate/README.md": "运维总览",
    "runbooks/operate/install.md": "安装上线",
    "runbooks/operate/replace-a-node.md": "更换节点",
    "runbooks/operate/restore.md": "恢复",
    "runbooks/operate/rotate-secrets.md": "更换密钥",
    "runbooks/operate/scale.md": "扩容",
    "runbooks/operate/upgrade.md": "升级",
    "reference/backtest.md": "策略与回测",
    "reference/client.md": "客户端",
    "reference/errors.md": "错误码",
    "reference/events.md": "平台事件",
    "reference/http-api.md": "HTTP API",
    "reference/messages.md": "实时消息",
    "reference/sdk.md": "SDK",
}


def navigation(language: str) -> list[object]:
    """The `nav` of mkdocs: pages with their titles, sections that have any."""
    return ["index.md", *_entries(SECTIONS, language)]


def _entries(entries: tuple[Entry, ...], language: str) -> Iterator[object]:
    for entry in entries:
        if isinstance(entry, Section):
            if inner := list(_entries(entry.entries, language)):
                yield {entry.chinese if language == "zh" else entry.name: inner}
        else:
            for page in _pages(entry, language):
                yield {_title(page, language): page}


def _pages(pattern: str, language: str) -> list[str]:
    found = {str(path.relative_to(DOCS)) for path in DOCS.glob(pattern)}
    if language == "zh":
        found |= {str(path.relative_to(DOCS / "zh")) for path in (DOCS / "zh").glob(pattern)}
        found |= {
            f"{path.name.removesuffix('.zh-CN.md')}.md" for path in DOCS.glob(pattern.replace(".md", ".zh-CN.md"))
        }
    own = sorted(found, key=lambda page: (Path(page).name not in ("README.md", "index.md"), page))
    return [page for page in own if not page.endswith(".zh-CN.md")]


def _title(page: str, language: str) -> str:
    """The first heading of a page, up to its colon: what follows is for its reader."""
    path = f"docs/{page}"
    if language == "zh":
        translated = twin_of(path)
        if translated is None and page in CHINESE:
            return CHINESE[page]
        path = translated or path
    first = headings((ROOT / path).read_text(encoding="utf-8"))[0].text.replace("`", "")
    return first if page.startswith("adr/") else first.partition(": ")[0].partition("：")[0]
