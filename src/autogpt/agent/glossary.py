"""Chinese words of requests in English, for tools that are described in English.

A request is looked up word by word, the longest first, as in retrieval across languages by
dictionary (Ballesteros & Croft 1997, "Phrasal Translation and Query Expansion Techniques for
Cross-Language Information Retrieval"). It is no translation, only what the request is about: what
is done, and with what kind of thing. What is not listed is left out.
"""

from __future__ import annotations

import re

__all__ = ["in_english"]

_MEANINGS = """
查询 look up|查找 find|查看 view|查 look up|搜索 search|搜 search|检索 search retrieve|找 find
获取 get|取得 get|列出 list|显示 show|告诉 tell|打开 open|关闭 close|启动 start|开始 start
停止 stop|暂停 pause|播放 play|运行 run|执行 execute|创建 create|新建 create|建立 create|添加 add
增加 add|加上 add|删除 delete|移除 remove|修改 modify|更新 update|编辑 edit|替换 replace|复制 copy
移动 move|重命名 rename|保存 save|写入 write|写 write|读取 read|读 read|上传 upload|下载 download
发送 send|发 send|接收 receive|分享 share|预订 book|预定 book|订 book|取消 cancel|确认 confirm
购买 buy|买 buy order|订单 order|下单 order|外卖 order food delivery|点餐 order food
点菜 order food|配送 delivery|快递 parcel delivery|支付 pay|付款 payment|退款 refund|价格 price
费用 cost|余额 balance|账户 account|账号 account|转账 transfer money|汇率 exchange rate
货币 currency|股票 stock|股价 stock price|银行 bank|贷款 loan|利息 interest|利率 interest rate
税 tax|折扣 discount|商品 product|产品 product|库存 inventory|客户 customer|用户 user|公司 company
员工 employee|部门 department|服务 service|工单 ticket|票 ticket|投诉 complaint|问题 question
状态 status|酒店 hotel|餐厅 restaurant|餐馆 restaurant|饭店 restaurant|机票 flight ticket
航班 flight|飞机 flight|火车 train|打车 taxi ride|出租车 taxi|租车 rent a car|汽车 car|公交 bus
地铁 subway|路线 route|导航 navigation|地图 map|位置 location|地点 location|地址 address|城市 city
国家 country|距离 distance|附近 nearby|旅行 travel|旅游 travel|景点 attraction|电影 movie
影院 cinema|音乐 music|歌曲 song|歌 song|视频 video|图片 image picture|图像 image|照片 photo
声音 sound audio|录音 audio recording|音频 audio|语音 speech|新闻 news|书 book|游戏 game|食物 food
菜谱 recipe|菜 dish|医生 doctor|医院 hospital|预约 appointment|健康 health|邮件 email|邮箱 email
消息 message|短信 text message|电话 phone call|联系人 contact|日历 calendar|日程 schedule
会议 meeting|提醒 reminder|闹钟 alarm|待办 todo|任务 task|日期 date|时间 time|今天 today
明天 tomorrow|昨天 yesterday|目前 current|当前 current|现在 current|最近 recent|最新 latest
历史 history|天气 weather|气温 temperature|温度 temperature|摄氏 Celsius|华氏 Fahrenheit
预报 forecast|下雨 rain|湿度 humidity|文件夹 folder|文件 file|目录 directory|磁盘 disk
命令 command|系统 system|程序 program|代码 code|函数 function|数据库 database|数据 data|表格 table
表 table|列 column|行 row|文本 text|文字 text|文章 article|句子 sentence|单词 word|文档 document
笔记 note|网页 web page|网站 website|链接 link|版本 version|密码 password|登录 log in|注册 sign up
计算 calculate|求和 sum|总和 sum|总共 total|合计 total|平均 average|最大 maximum|最小 minimum
百分比 percentage|面积 area|相加 add|相减 subtract|相乘 multiply|相除 divide|数学 math
公式 formula|方程 equation|统计 count statistics|比较 compare|排序 sort|筛选 filter|分类 classify
标签 label|翻译 translate|译成 translate|英文 English|英语 English|中文 Chinese|汉语 Chinese
法语 French|德语 German|日语 Japanese|西班牙语 Spanish|总结 summarize|摘要 summary|概括 summarize
改写 rewrite|识别 recognize|转写 transcribe|听写 transcribe|转成文字 transcribe
朗读 read aloud speech|回答 answer|解释 explain|生成 generate|训练 train|微调 fine-tune
评估 evaluate|模型 model|预测 predict|分析 analyze|检查 check|验证 validate|测试 test|转换 convert
单位 unit|格式 format|导出 export|导入 import|打印 print|设置 set|空调 air conditioner|灯 light
电视 TV|设备 device|房间 room|清洁 cleaning|保洁 cleaning|维修 repair|部署 serve deploy
实体 entity|人名 names of people|标注 tag|预算 budget|专家 specialist|提取 extract|合并 merge
拆分 split
"""
_ENGLISH = dict(one.split(" ", 1) for one in re.split(r"[|\n]", _MEANINGS.strip()))
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN = r"[A-Za-z][\w.'-]*"
_MEANT = "|".join(sorted(_ENGLISH, key=len, reverse=True))  # the longest is tried first
_KEPT = re.compile(rf"{_MEANT}|{_LATIN}|\d[\d.,]*", re.ASCII)


def in_english(text: str) -> str:
    """Return the words of a text in Chinese that are known, in English; "" of any other text.

    Names and numbers in Latin letters stay as they are.
    """
    if len(_CHINESE.findall(text)) <= 2 * len(re.findall(_LATIN, text, re.ASCII)):
        return ""  # a Chinese word has two characters, most often
    return " ".join(_ENGLISH.get(word, word) for word in _KEPT.findall(text))
