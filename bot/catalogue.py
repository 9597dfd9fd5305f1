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
    "imagine.characters": (
        "Who is in it, by name, with commas between",
        "Wer darauf ist, beim Namen, mit Kommas dazwischen",
        "Quién sale, por su nombre, separados por comas",
        "Qui y figure, par son nom, séparés par des virgules",
        "登場する人物の名前（カンマ区切り）",
    ),
    "imagine.aspect": (
        "Width and height of the picture",
        "Breite und Höhe des Bildes",
        "Ancho y alto de la imagen",
        "Largeur et hauteur de l'image",
        "絵の幅と高さ",
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
    "likeness": ("likeness", "likeness", "likeness", "likeness", "likeness"),
    "likeness.about": (
        "For admins: how I work in this server",
        "Für Admins: wie ich auf diesem Server arbeite",
        "Para admins: cómo trabajo en este servidor",
        "Pour les admins : comment je travaille sur ce serveur",
        "管理者用：このサーバーでの動作",
    ),
    "status": ("status", "status", "estado", "état", "状態"),
    "status.about": (
        "How much is drawn here, and under which rules",
        "Wie viel hier gezeichnet wird, und nach welchen Regeln",
        "Cuánto se dibuja aquí y con qué reglas",
        "Combien on dessine ici, et selon quelles règles",
        "ここで描かれた数と設定を表示します",
    ),
    "pause": ("pause", "pausieren", "pausar", "suspendre", "一時停止"),
    "pause.about": (
        "Take nothing in here until I am resumed",
        "Hier nichts mehr annehmen, bis es weitergehen soll",
        "No aceptar nada aquí hasta que se reanude",
        "Ne plus rien accepter ici jusqu'à la reprise",
        "再開するまで、ここでの依頼を受け付けません",
    ),
    "resume": ("resume", "fortsetzen", "reanudar", "reprendre", "再開"),
    "resume.about": (
        "Draw here again",
        "Hier wieder zeichnen",
        "Volver a dibujar aquí",
        "Dessiner de nouveau ici",
        "ここでまた描きます",
    ),
    "quota": ("quota", "kontingent", "cuota", "quota", "上限"),
    "quota.about": (
        "How many turns everybody has a day",
        "Wie viele Aufträge alle am Tag haben",
        "Cuántos turnos tiene cada persona al día",
        "Combien de demandes chacun a par jour",
        "一人が一日に頼める回数を決めます",
    ),
    "quota.turns": (
        "Turns a person and day; 0 means as many as they like",
        "Aufträge pro Person und Tag; 0 heißt beliebig viele",
        "Turnos por persona y día; 0 significa sin límite",
        "Demandes par personne et par jour ; 0 : sans limite",
        "一人一日あたりの回数。0 は無制限",
    ),
    "block": ("block", "sperren", "bloquear", "bloquer", "ブロック"),
    "block.about": (
        "Draw nothing more for somebody here",
        "Hier für jemanden nichts mehr zeichnen",
        "No dibujar más para alguien aquí",
        "Ne plus rien dessiner pour quelqu'un ici",
        "ここで、この人の依頼を受け付けません",
    ),
    "block.user": ("Whom", "Wen", "A quién", "Qui", "相手"),
    "unblock": ("unblock", "entsperren", "desbloquear", "débloquer", "ブロック解除"),
    "unblock.about": (
        "Draw for somebody again",
        "Für jemanden wieder zeichnen",
        "Volver a dibujar para alguien",
        "Dessiner de nouveau pour quelqu'un",
        "この人の依頼をまた受け付けます",
    ),
    "unblock.user": ("Whom", "Wen", "A quién", "Qui", "相手"),
    "workers": ("workers", "worker", "workers", "workers", "ワーカー"),
    "workers.about": (
        "The workers that draw; operators can pause and resume them",
        "Die Worker, die zeichnen; Betreiber können sie pausieren und fortsetzen",
        "Los workers que dibujan; los operadores pueden pausarlos y reanudarlos",
        "Les workers qui dessinent ; les opérateurs peuvent les suspendre et les reprendre",
        "描画ワーカーの一覧。運営者は一時停止と再開ができます",
    ),
    "workers.action": (
        "What to do with one of them",
        "Was mit einem davon geschehen soll",
        "Qué hacer con uno de ellos",
        "Que faire de l'un d'eux",
        "ワーカーへの操作",
    ),
    "workers.worker": ("Which one", "Welcher", "Cuál", "Lequel", "どのワーカーか"),
    "votes": ("votes", "stimmen", "votos", "votes", "投票"),
    "votes.about": (
        "What people think of the pictures",
        "Was von den Bildern gehalten wird",
        "Qué se opina de las imágenes",
        "Ce que l'on pense des images",
        "絵への投票結果を表示します",
    ),
    "votes.share": (
        "How many percent are drawn by two, to be compared",
        "Wie viele Prozent von zweien gezeichnet werden, zum Vergleich",
        "Qué porcentaje dibujan dos, para comparar",
        "Quel pourcentage est dessiné par deux, pour comparer",
        "二通りに描いて比べる割合（パーセント）",
    ),
    "settings": ("settings", "einstellungen", "ajustes", "réglages", "設定"),
    "settings.about": (
        "What holds in this server and this thread",
        "Was auf diesem Server und in diesem Thread gilt",
        "Qué vale en este servidor y en este hilo",
        "Ce qui vaut sur ce serveur et dans ce fil",
        "このサーバーとスレッドの設定",
    ),
    "forgetme": ("forgetme", "vergissmich", "olvídame", "oubliemoi", "忘れて"),
    "forgetme.about": (
        "Delete what is kept of you here; you are asked once more",
        "Löscht, was hier von dir gespeichert ist; fragt vorher noch einmal",
        "Borra lo que se guarda de ti aquí; pregunta una vez más",
        "Efface ce qui est gardé de toi ici ; demande une fois encore",
        "ここに保存されたあなたの情報を消します（確認あり）",
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
