"""Names and descriptions of commands in the languages that adapters offer. One catalogue for all of them.

A name is one word in small letters, as chat platforms want it; a description has at most 100 characters. The menu of a message
("menu.") has names of up to 32 characters and no descriptions.
"""

from __future__ import annotations

LANGUAGES = ("en", "de", "es", "fr", "ja")

_WORDS: dict[str, tuple[str, str, str, str, str]] = {
    "imagine": ("imagine", "zeichnen", "imaginar", "imaginer", "描く"),
    "imagine.about": (
        "Draw a picture from your words",
        "Zeichnet ein Bild aus deinen Worten",
        "Dibuja una imagen con tus palabras",
        "Dessine une image avec tes mots",
        "言葉から絵を描きます",
    ),
    "imagine.text": (
        "Whom to draw and where",
        "Wer gezeichnet werden soll, und wo",
        "A quién dibujar y dónde",
        "Qui dessiner, et où",
        "誰をどこで描くか",
    ),
    "imagine.seed": (
        "A number: the same one draws the same again",
        "Eine Zahl: dieselbe zeichnet dasselbe noch einmal",
        "Un número: el mismo dibuja lo mismo otra vez",
        "Un nombre : le même redessine la même image",
        "数字。同じ数字なら同じ絵になります",
    ),
    "newcharacter": ("newcharacter", "neuefigur", "nuevopersonaje", "nouveaupersonnage", "新キャラ"),
    "newcharacter.about": (
        "Make somebody who can be drawn by name",
        "Legt jemanden an, der beim Namen gezeichnet werden kann",
        "Crea a alguien a quien dibujar por su nombre",
        "Crée quelqu'un que l'on peut dessiner par son nom",
        "名前で描ける人物を作ります",
    ),
    "newcharacter.name": (
        "What they are called",
        "Wie die Figur heißt",
        "Cómo se llama",
        "Comment s'appelle le personnage",
        "人物の名前",
    ),
    "undo": ("undo", "zurück", "deshacer", "annuler", "元に戻す"),
    "undo.about": (
        "Take the conversation back by one picture",
        "Nimmt das letzte Bild des Gesprächs zurück",
        "Retrocede una imagen en la conversación",
        "Revient une image en arrière",
        "会話を一枚前の絵に戻します",
    ),
    "characters": ("characters", "figuren", "personajes", "personnages", "キャラ一覧"),
    "characters.about": (
        "Who can be drawn by name here",
        "Wer hier beim Namen gezeichnet werden kann",
        "A quién se puede dibujar aquí por su nombre",
        "Qui peut être dessiné ici par son nom",
        "ここで名前で描ける人物",
    ),
    "history": ("history", "verlauf", "historial", "historique", "履歴"),
    "history.about": (
        "All pictures of this conversation on one sheet",
        "Alle Bilder dieses Gesprächs auf einem Bogen",
        "Todas las imágenes de esta conversación en una hoja",
        "Toutes les images de cette conversation sur une planche",
        "この会話の絵を一枚にまとめます",
    ),
    "export": ("export", "exportieren", "exportar", "exporter", "書き出し"),
    "export.about": (
        "All pictures and words of this conversation as a zip",
        "Alle Bilder und Worte dieses Gesprächs als Zip",
        "Todas las imágenes y palabras de esta conversación en un zip",
        "Toutes les images et paroles de cette conversation en zip",
        "この会話の絵と言葉を zip にします",
    ),
    "help": ("help", "hilfe", "ayuda", "aide", "ヘルプ"),
    "help.about": (
        "What Likeness can do",
        "Was Likeness kann",
        "Qué puede hacer Likeness",
        "Ce que Likeness sait faire",
        "Likeness にできること",
    ),
    "menu.reference": (
        "Use as reference",
        "Als Vorlage verwenden",
        "Usar como referencia",
        "Utiliser comme référence",
        "参考にする",
    ),
    "menu.branch": (
        "Draw from here",
        "Von hier aus zeichnen",
        "Dibujar desde aquí",
        "Dessiner à partir d'ici",
        "ここから描く",
    ),
    "menu.report": ("Report", "Melden", "Denunciar", "Signaler", "通報する"),
}


def said(key: str, language: str = "en") -> str:
    """The words of a key in a language, by BCP 47 tag; in English where it is none of ours. Raises `KeyError` for a key."""
    words = _WORDS[key]
    tag = language.partition("-")[0].lower()
    return words[LANGUAGES.index(tag)] if tag in LANGUAGES else words[0]


def keys() -> tuple[str, ...]:
    """All keys: a command's name, and with dots after it what is said of the command and of its options."""
    return tuple(_WORDS)
