"""Records of the shipped streams, as a producer would make them."""
import json
import uuid


def event(number=0, **changes):
    fields = {
        "request_id": str(uuid.uuid4()),
        "request_timestamp": f"2026-06-01 00:{number // 60 % 60:02}:{number % 60:02}.000000",
        "cookie_id": str(uuid.uuid4()),
        "topic": "cms.wizard.step.color_palette.set",
        "message": json.dumps({"language": "es", "color": "#6d8d79", "note": 'a "quoted", ünïcödé line\n'}),
        "environment": "cms",
        "website_id": None,
        "user_account_id": str(uuid.uuid4()),
        "location": "https://www.example.com/wizard/color-palette/",
        "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "referrer": "https://www.example.org/es/product",
    }
    return json.dumps({**fields, **changes})


def visit(**changes):
    fields = {
        "request_id": str(uuid.uuid4()), "source": "adwords", "medium": "cpc", "campaign": "Campaign Brand FR",
        "content": None, "term": "web page", "matchtype": "e", "network": "g", "ad_id": "12063526619", "ad_pos": "1t1",
        "placement": None, "placement_category": None, "testgroup": None, "device": "c",
    }
    return json.dumps({**fields, **changes})
