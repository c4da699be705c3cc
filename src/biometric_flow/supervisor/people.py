"""Fifty invented people for the demo: names in the scripts that terminals meet. No real person is meant.

A terminal keeps 24 bytes of a name, eight letters of Bengali; the black-and-white one of the third place keeps eight.
"""

from typing import Final

CAIRO: Final = (
    "أمينة حسن", "محمود السيد", "سارة فهمي", "كريم فؤاد", "منى إبراهيم", "يوسف نجيب", "هالة منصور",
    "طارق سليمان", "دينا شوقي", "عمر خليل", "ليلى رمزي", "حسام جابر", "نورا زكي", "خالد عثمان", "ريم صلاح",
    "سامي بدر", "فاطمة علي",
)  # fmt: skip
DHAKA: Final = (
    "রহিমা", "করিম", "নাসরিন", "শফিক", "তানিয়া", "জাহিদ", "মিতু", "রফিক", "সুমাইয়া",
    "Imran Hossain", "Farzana Akter", "Sohel Rana", "Nusrat Jahan", "Rakib Ahmed",
    "Shirin Sultana", "Tanvir Alam", "Moushumi Das",
)  # fmt: skip
MEXICO: Final = (
    "Lupita", "José", "Ximena", "Andrés", "Chayo", "Memo", "Itzel", "Beto", "Rocío", "Nacho", "Paty", "Toño",
    "Concha", "Pepe", "Lalo", "Vero", "Quique",
)  # fmt: skip
