"""Fifty invented people for the demo: names in the scripts that terminals meet. No real person is meant."""

from typing import Final

CAIRO: Final = (
    "أمينة حسن", "محمود السيد", "سارة عبد الرحمن", "كريم فؤاد", "منى إبراهيم", "يوسف نجيب", "هالة منصور",
    "طارق سليمان", "دينا شوقي", "عمر خليل", "ليلى رمزي", "حسام جابر", "نورا زكي", "خالد عثمان", "ريم صلاح",
    "سامي بدر", "فاطمة علي",
)  # fmt: skip
DHAKA: Final = (
    "রহিমা বেগম", "আব্দুল করিম", "নাসরিন আক্তার", "শফিক ইসলাম", "তানিয়া রহমান", "জাহিদ হাসান", "মিতু সরকার",
    "রফিক উদ্দিন", "সুমাইয়া খান", "Imran Hossain", "Farzana Akter", "Sohel Rana", "Nusrat Jahan", "Rakib Ahmed",
    "Shirin Sultana", "Tanvir Alam", "Moushumi Das",
)  # fmt: skip
MEXICO: Final = (
    "Lupita", "José Ma.", "Ximena", "Andrés", "Chayo", "Memo", "Itzel", "Beto", "Rocío", "Nacho", "Paty", "Toño",
    "Concha", "Pepe", "Lalo", "Vero", "Quique",
)  # fmt: skip
"""Short, since the black-and-white terminal of this place keeps eight bytes of a name."""
