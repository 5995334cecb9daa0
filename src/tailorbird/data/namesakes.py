"""Columns of other names that hold what a field is for: a shop's CustomerID, or 用户编号, is a USER_ID."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = "(id|编号|编码|代码|号码?|标识|名|編號|編碼|代碼|號碼?|番号|コード)?$"
_USERS = "用户|会员|客户|顾客|买家|访客|读者|玩家|用戶|會員|客戶|顧客|買家|ユーザー?"
_ITEMS = "商品|物品|产品|货品|宝贝|影片|电影|歌曲|文章|视频|图书|產品|電影|アイテム"
WORDS = {
    "USER_ID": (
        "user", "customer", "client", "visitor", "member", "account", "shopper", "buyer", "kunde", "nutzer", "usuario",
        "utilisateur", f"^({_USERS}){_NUMBER}", "사용자|고객|회원",
    ),
    "ITEM_ID": (
        "itemid", "productid", "stockcode", "sku", "movieid", "articleid", "asin", "item", "product", "movie",
        "artikel", "articulo", f"^({_ITEMS}){_NUMBER}", "^货号$", "상품",
    ),
    "TIMESTAMP": (
        "timestamp", "unixtime", "datetime", "date", "time", "zeit", "datum", "fecha", "^ts$",
        "时间|時間|日期|时刻|時刻|日時|日付", "시간|날짜",
    ),
    "EVENT_TYPE": (
        "eventtype", "event", "behaviour", "behavior", "interaction", "ereignis", "^aktion",
        "行为|行為|事件|动作|動作|操作", "이벤트|행동",
        "^(type|action|activity|kind|verb|类型|類型|種別)$",
    ),
    "EVENT_VALUE": (
        "eventvalue", "^(rating|score|stars|value|amount|quantity)$", "评分|得分|分数|金额|数量|評分|分數|金額",
    ),
    "CREATION_TIMESTAMP": (
        "creation", "created", "release", "published", "launch",
        "上架|发布|创建|上映|出版|上线|发售|發布|創建|公開|登録",
        "^(date|time|timestamp|日期|时间|時間)$",
    ),
    "PRICE": ("price", "preis", "precio", "价格|價格|单价|單價|售价|售價|価格|가격"),
    "TITLE": (
        "title", "^(name|(item|product|movie|film|book|song|article)s?name)$",
        "标题|名称|品名|书名|片名|歌名|標題|名稱|タイトル",
    ),
    "GENRE": ("genre", "categor", "类别|分类|类目|品类|类型|题材|類別|分類|類型|カテゴリ|ジャンル"),
    "BRAND": ("brand|marke$|marca", "品牌|ブランド"),
    "DESCRIPTION": ("descr|^desc$|summary|overview", "描述|简介|簡介|说明|說明|详情|説明"),
    "CITY": ("city|town|stadt|ciudad|ville", "城市|都市|도시"),
    "COUNTRY": ("country|^land$|pais", "国家|國家|国籍|国名"),
    "PROVINCE": ("province|state|region", "省份|地区|地區"),
    "GENDER": ("gender|^sex$", "性别|性別|성별"),
    "AGE": ("^age$|agegroup|^alter$", "年龄|年齡|年齢|나이"),
    "YEAR": ("^year$|releaseyear", "年份|年代"),
    "COLOR": ("colou?r", "颜色|顏色|^色$"),
    "IN_STOCK": ("stock$|available|availability", "库存|庫存|有货|有貨|在庫"),
    "MEMBERSHIP": ("membership|tier|level", "会员|會員|等级|等級"),
}  # fmt: skip
"""Patterns of names without case and signs, likeliest first: as the exports of shops and public data sets have them."""
ALIKE = {
    "GENRES": "GENRE", "CATEGORY": "GENRE", "CATEGORIES": "GENRE", "CATEGORY_L1": "GENRE", "NAME": "TITLE",
    "PRODUCT_DESCRIPTION": "DESCRIPTION", "PRODUCT_NAME": "TITLE", "ITEM_NAME": "TITLE", "TAGS": "GENRE",
    "STOCK": "IN_STOCK", "REGION": "PROVINCE", "STATE": "PROVINCE", "MEMBERSHIP_TYPE": "MEMBERSHIP", "SEX": "GENDER",
    "RATING": "EVENT_VALUE", "RELEASE_YEAR": "YEAR", "PUBLISH_TIMESTAMP": "CREATION_TIMESTAMP",
}  # fmt: skip
"""Fields that hold the same as another."""
RECORDS = ("USER_ID", "ITEM_ID", "ACTION_ID")
RECORD_ID = ("^(id|key|编号|编码|代码|編號|編碼|コード|番号)$",)
"""What the id of a file's only kind of records may be called."""
LEAST_LETTERS = 5
"""Letters of a field's own name from which it is also looked for inside longer names: AGE is in every language."""


def of(fields: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The likely one among `names` of each of the fields that has one, no name twice."""
    left, fields = list(names), [*fields]
    records = [field for field in fields if field.upper() in RECORDS]
    found: dict[str, str] = {}
    for field in fields:
        more = RECORD_ID if records == [field] else ()
        likely = (name for word in (*_words(field.upper()), *more) for name in left if re.search(word, _plain(name)))
        if name := next(likely, None):
            found[field] = name
            left.remove(name)
    return found


def rename_hint(fields: Iterable[str], names: Iterable[str]) -> str:
    """What to rename, as a sentence after a space; empty where nothing looks like one of the fields."""
    found = of(fields, names)
    return f" Rename {', '.join(f'{name} to {field}' for field, name in found.items())}." if found else ""


def _words(field: str) -> tuple[str, ...]:
    own = _plain(field)
    listed = WORDS.get(ALIKE.get(field, field), ())
    return (f"^{own}$", *listed, *([own] if len(own) >= LEAST_LETTERS else []))


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
