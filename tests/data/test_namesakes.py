"""Which column of another name is taken for a field."""

from __future__ import annotations

import pytest

from tailorbird.data import namesakes


@pytest.mark.parametrize(
    ("fields", "names", "found"),
    [
        (
            "USER_ID ITEM_ID EVENT_TYPE TIMESTAMP",
            "CustomerID StockCode InvoiceDate Type",
            "CustomerID StockCode Type InvoiceDate",
        ),
        ("USER_ID ITEM_ID EVENT_TYPE TIMESTAMP", "行为 时间 商品 用户", "用户 商品 行为 时间"),
        ("USER_ID ITEM_ID TIMESTAMP", "會員編號 商品編號 時間", "會員編號 商品編號 時間"),
        ("ITEM_ID TITLE CITY GENRES", "商品名称 商品编号 城市 商品类别", "商品编号 商品名称 城市 商品类别"),
        ("USER_ID AGE", "language 用户年龄 用户编号", "用户编号 用户年龄"),
        ("ITEM_ID PRICE TITLE", "Artikel Preis Name", "Artikel Preis Name"),
        ("ITEM_ID DEVICE_TYPE", "itemId deviceType", "itemId deviceType"),
        ("EVENT_TYPE AGE", "ProductType page", "- -"),
        ("ITEM_ID PRICE", "编号 单价", "编号 单价"),
        ("USER_ID ITEM_ID TIMESTAMP", "id time", "- - time"),
    ],
)
def test_likely_namesakes(fields: str, names: str, found: str) -> None:
    wanted = {field: name for field, name in zip(fields.split(), found.split(), strict=True) if name != "-"}
    assert namesakes.of(fields.split(), names.split()) == wanted
