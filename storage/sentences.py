"""Sentences to people, each in all languages that Likeness speaks; here are those that are kept as the reply of a turn.

A `Sentence` goes from wherever it is found to say to wherever somebody is told: only there the language is known, by the
locale that a platform gives for a person, and `told` picks it. All else takes it for its English words. One that is not
there in every language cannot be made. What an engine says is its own, and in the language that it understands.
"""

from __future__ import annotations

from typing import Self

LANGUAGES = ("en", "de", "es", "fr", "ja")

# What stands between thousands, and before decimals.
_MARKS = {"en": (",", "."), "de": (".", ","), "es": (".", ","), "fr": ("\u202f", ","), "ja": (",", ".")}


class Sentence(str):
    """A sentence, or words on a button. Braces in it are filled in by `given`.

    It is a `str` of its English words; `str()` of it, or of an exception that carries it, is the sentence itself.
    """

    words: tuple[str, ...]  # in the order of `LANGUAGES`

    def __new__(cls, en: str, de: str, es: str, fr: str, ja: str) -> Self:
        made = super().__new__(cls, en)
        made.words = (en, de, es, fr, ja)
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[str, ...]]:
        """How a copy of it is made, or what arrives in another process."""
        return type(self), self.words

    def __str__(self) -> str:
        return self

    def given(self, **values: str | float) -> Sentence:
        """With values for what stands in braces: numbers as each language writes them, sentences in each language."""
        return Sentence(
            *(
                words.format(**{name: _written(value, language) for name, value in values.items()})
                for words, language in zip(self.words, LANGUAGES, strict=True)
            )
        )

    def then(self, *others: str) -> Sentence:
        """This one, and others after it."""
        every = (self, *others)
        return Sentence(*(("" if one == "ja" else " ").join(told(part, one) for part in every) for one in LANGUAGES))


def language_of(tag: str) -> str:
    """The language of ours that a BCP 47 tag such as de-AT means; English where it is none."""
    language = tag.partition("-")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


def told(sentence: str, language: str) -> str:
    """A sentence in a language, by BCP 47 tag; words that are no `Sentence` as they are."""
    if isinstance(sentence, Sentence):
        return sentence.words[LANGUAGES.index(language_of(language))]
    return sentence


def several(count: int, one: Sentence, more: Sentence) -> Sentence:
    """What is said of one, or of `{count}`."""
    return one if count == 1 else more.given(count=count)


def _written(value: str | float, language: str) -> str:
    if isinstance(value, str):
        return told(value, language)
    thousands, point = _MARKS[language]
    whole, _, rest = f"{value:,}".partition(".")
    whole = whole.replace(",", thousands)
    return f"{whole}{point}{rest}" if rest.strip("0") else whole


# -- why a message cannot become a picture -----------------------------------------------------------------------------

NOTHING_AGAIN = Sentence(
    "There is no picture yet that I could draw again.",
    "Es gibt noch kein Bild, das ich noch einmal zeichnen könnte.",
    "Todavía no hay ninguna imagen que pueda volver a dibujar.",
    "Il n'y a pas encore d'image que je puisse redessiner.",
    "もう一度描ける絵がまだありません。",
)
NOT_FOUND = Sentence(
    "I cannot find the picture that this belongs to; it may have been deleted. Please say it anew.",
    "Ich finde das Bild nicht, zu dem das gehört; vielleicht wurde es gelöscht. Bitte sag es noch einmal neu.",
    "No encuentro la imagen a la que se refiere; quizá se haya borrado. Dilo de nuevo, por favor.",
    "Je ne trouve pas l'image dont il s'agit ; elle a peut-être été supprimée. Redis-le, s'il te plaît.",
    "もとの絵が見つかりません。削除された可能性があります。もう一度最初から書いてください。",
)
NOTHING_TO_ENLARGE = Sentence(
    "There is no picture that I could enlarge.",
    "Es gibt kein Bild, das ich vergrößern könnte.",
    "No hay ninguna imagen que pueda ampliar.",
    "Il n'y a pas d'image que je puisse agrandir.",
    "拡大できる絵がありません。",
)
NO_WORDS = Sentence(
    "Your message has no words in it. Tell me whom to draw and where.",
    "In deiner Nachricht stehen keine Worte. Sag mir, wen ich zeichnen soll und wo.",
    "Tu mensaje no tiene palabras. Dime a quién dibujar y dónde.",
    "Ton message ne contient aucun mot. Dis-moi qui dessiner, et où.",
    "メッセージに言葉がありません。誰をどこで描くか教えてください。",
)
TOO_LONG = Sentence(
    "Your message has {count} characters; I read at most {most}. Please shorten it and send it again.",
    "Deine Nachricht hat {count} Zeichen; ich lese höchstens {most}. Bitte kürze sie und schick sie noch einmal.",
    "Tu mensaje tiene {count} caracteres; leo como máximo {most}. Acórtalo y envíalo otra vez, por favor.",
    "Ton message a {count} caractères ; j'en lis {most} au plus. Raccourcis-le et renvoie-le, s'il te plaît.",
    "メッセージは{count}文字ですが、読めるのは{most}文字までです。短くしてもう一度送ってください。",
)
TOO_MANY_PICTURES = Sentence(
    "You attached {count} pictures; I take at most {most} at once.",
    "Du hast {count} Bilder angehängt; ich nehme höchstens {most} auf einmal.",
    "Adjuntaste {count} imágenes; acepto como máximo {most} a la vez.",
    "Tu as joint {count} images ; j'en prends {most} au plus à la fois.",
    "画像が{count}枚添付されていますが、一度に受け取れるのは{most}枚までです。",
)
BLOCKED = Sentence(
    "An admin has blocked you here, so I cannot draw for you; please ask them about it.",
    "Ein Admin hat dich hier gesperrt, deshalb kann ich nicht für dich zeichnen; bitte frag dort nach.",
    "Un administrador te ha bloqueado aquí, así que no puedo dibujar para ti; pregúntale, por favor.",
    "Un admin t'a bloqué ici, je ne peux donc pas dessiner pour toi ; demande-lui, s'il te plaît.",
    "管理者がここであなたをブロックしているため、描けません。管理者にお尋ねください。",
)
PAUSED = Sentence(
    "An admin has paused me here; please ask again when I am resumed.",
    "Ein Admin hat mich hier angehalten; bitte frag wieder, wenn ich weitermachen darf.",
    "Un administrador me ha puesto en pausa aquí; vuelve a pedirlo cuando me reanude.",
    "Un admin m'a mis en pause ici ; redemande quand je serai relancé.",
    "管理者がここで私を一時停止しています。再開されたらもう一度お願いします。",
)
USED_UP = Sentence(
    "Today's quota of {quota} here is used up, with what still waits; please ask again after midnight UTC.",
    "Das heutige Kontingent von {quota} ist hier aufgebraucht, mit dem, was noch wartet; bitte frag nach Mitternacht (UTC) "
    "wieder.",
    "El cupo de hoy aquí, {quota}, está agotado, contando lo que aún espera; vuelve a pedirlo después de medianoche UTC.",
    "Le quota du jour ici, {quota}, est épuisé, avec ce qui attend encore ; redemande après minuit UTC.",
    "今日のここでの上限（{quota}）は、待っている分も含めて使い切りました。UTCの午前0時以降にもう一度お願いします。",
)
ONE_TURN = Sentence("1 turn", "1 Anfrage", "1 petición", "1 demande", "1回")
TURNS = Sentence("{count} turns", "{count} Anfragen", "{count} peticiones", "{count} demandes", "{count}回")

# -- what is wrong with a picture that came in -------------------------------------------------------------------------

TOO_MANY_BYTES = Sentence(
    "This picture has {size} MB and I take up to {most} MB: please send a smaller one.",
    "Dieses Bild hat {size} MB, und ich nehme höchstens {most} MB: bitte schick ein kleineres.",
    "Esta imagen ocupa {size} MB y acepto hasta {most} MB: envía una más pequeña, por favor.",
    "Cette image fait {size} Mo et j'en accepte {most} au plus : envoies-en une plus petite, s'il te plaît.",
    "この画像は{size} MBですが、受け取れるのは{most} MBまでです。もっと小さいものを送ってください。",
)
NOT_A_PICTURE = Sentence(
    "I cannot read this file as a picture: please send a JPEG, PNG, WebP or GIF.",
    "Ich kann diese Datei nicht als Bild lesen: bitte schick ein JPEG, PNG, WebP oder GIF.",
    "No puedo leer este archivo como imagen: envía un JPEG, PNG, WebP o GIF, por favor.",
    "Je n'arrive pas à lire ce fichier comme une image : envoie un JPEG, PNG, WebP ou GIF, s'il te plaît.",
    "このファイルは画像として読めません。JPEG、PNG、WebP、GIFのいずれかを送ってください。",
)
DAMAGED = Sentence(
    "This picture is damaged or was cut off on its way: please send it again.",
    "Dieses Bild ist beschädigt oder kam nur zum Teil an: bitte schick es noch einmal.",
    "Esta imagen está dañada o se cortó por el camino: envíala otra vez, por favor.",
    "Cette image est abîmée ou a été coupée en route : renvoie-la, s'il te plaît.",
    "この画像は壊れているか、途中で切れています。もう一度送ってください。",
)
TOO_SMALL = Sentence(
    "This picture has only {width} × {height} pixels and I need {least} on each side: please send a larger one.",
    "Dieses Bild hat nur {width} × {height} Pixel, und ich brauche {least} auf jeder Seite: bitte schick ein größeres.",
    "Esta imagen solo tiene {width} × {height} píxeles y necesito {least} por lado: envía una más grande, por favor.",
    "Cette image n'a que {width} × {height} pixels et il m'en faut {least} de chaque côté : envoies-en une plus grande, "
    "s'il te plaît.",
    "この画像は{width} × {height}ピクセルしかありません。各辺{least}ピクセル以上必要なので、もっと大きいものを送ってください。",
)
TOO_NARROW = Sentence(
    "This picture is too narrow to see anything in it: please send a wider one.",
    "Dieses Bild ist zu schmal, um darauf etwas zu erkennen: bitte schick ein breiteres.",
    "Esta imagen es demasiado estrecha para ver algo en ella: envía una más ancha, por favor.",
    "Cette image est trop étroite pour qu'on y voie quelque chose : envoies-en une plus large, s'il te plaît.",
    "この画像は細すぎて何も見えません。もっと幅のあるものを送ってください。",
)
TOO_SLOW = Sentence(
    "This picture is stored in a way that takes too long to read: please save it anew.",
    "Dieses Bild ist so gespeichert, dass das Lesen zu lange dauert: bitte speichere es neu.",
    "Esta imagen está guardada de un modo que tarda demasiado en leerse: guárdala de nuevo, por favor.",
    "Cette image est enregistrée d'une façon trop longue à lire : réenregistre-la, s'il te plaît.",
    "この画像は保存形式のせいで読み込みに時間がかかりすぎます。保存し直してください。",
)
TOO_MANY_PIXELS = Sentence(
    "This picture has more than {most} megapixels: please send a smaller one.",
    "Dieses Bild hat mehr als {most} Megapixel: bitte schick ein kleineres.",
    "Esta imagen tiene más de {most} megapíxeles: envía una más pequeña, por favor.",
    "Cette image a plus de {most} mégapixels : envoies-en une plus petite, s'il te plaît.",
    "この画像は{most}メガピクセルを超えています。もっと小さいものを送ってください。",
)

# -- how a turn ended --------------------------------------------------------------------------------------------------

CANCELLED = Sentence("Cancelled.", "Abgebrochen.", "Cancelado.", "Annulé.", "中止しました。")
FAILED = Sentence(
    "{why} Please try again; if it happens again, tell an admin this reference: {reference}.",
    "{why} Bitte versuch es noch einmal; wenn es wieder geschieht, nenn einem Admin diese Nummer: {reference}.",
    "{why} Inténtalo de nuevo; si vuelve a pasar, dile a un administrador esta referencia: {reference}.",
    "{why} Réessaie ; si cela se reproduit, donne cette référence à un admin : {reference}.",
    "{why}もう一度お試しください。また起きたら、この番号を管理者に伝えてください：{reference}",
)
TOOK_TOO_LONG = Sentence(
    "Drawing this took too long.",
    "Das Zeichnen hat zu lange gedauert.",
    "Dibujar esto tardó demasiado.",
    "Dessiner cela a pris trop de temps.",
    "描くのに時間がかかりすぎました。",
)
FAILED_REPEATEDLY = Sentence(
    "This could not be drawn: it failed repeatedly.",
    "Das konnte nicht gezeichnet werden: es misslang mehrmals.",
    "No se pudo dibujar esto: falló varias veces.",
    "Cela n'a pas pu être dessiné : plusieurs essais ont échoué.",
    "描けませんでした。何度も失敗しました。",
)
NOT_FETCHED = Sentence(
    "Your picture could not be fetched.",
    "Dein Bild konnte nicht geholt werden.",
    "No se pudo obtener tu imagen.",
    "Ton image n'a pas pu être récupérée.",
    "画像を取得できませんでした。",
)
OUT_OF_MEMORY = Sentence(
    "This is more than my memory holds.",
    "Das ist mehr, als in meinen Speicher passt.",
    "Esto es más de lo que cabe en mi memoria.",
    "C'est plus que ma mémoire ne peut contenir.",
    "メモリが足りませんでした。",
)
PICTURE_LOST = Sentence(
    "A picture that I was to look at is gone from the store.",
    "Ein Bild, das ich mir ansehen sollte, ist nicht mehr da.",
    "Una imagen que debía mirar ya no está guardada.",
    "Une image que je devais regarder n'est plus là.",
    "参照するはずの画像がなくなっています。",
)
NOT_STORED = Sentence(
    "The picture could not be stored.",
    "Das Bild konnte nicht gespeichert werden.",
    "No se pudo guardar la imagen.",
    "L'image n'a pas pu être enregistrée.",
    "絵を保存できませんでした。",
)
BROKE = Sentence(
    "Something broke while I was drawing this.",
    "Beim Zeichnen ist etwas schiefgegangen.",
    "Algo falló mientras lo dibujaba.",
    "Quelque chose a échoué pendant que je dessinais.",
    "描いている途中で問題が起きました。",
)
ORIGINAL_GONE = Sentence(
    "The picture that I was to enlarge is gone.",
    "Das Bild, das ich vergrößern sollte, gibt es nicht mehr.",
    "La imagen que debía ampliar ya no existe.",
    "L'image que je devais agrandir n'existe plus.",
    "拡大するはずの絵がなくなっています。",
)
LARGEST = Sentence(
    "This picture is as large as I can make it.",
    "Größer kann ich dieses Bild nicht machen.",
    "No puedo hacer más grande esta imagen.",
    "Je ne peux pas agrandir davantage cette image.",
    "この絵はこれ以上大きくできません。",
)
ENLARGED = Sentence(
    "Enlarged to {width} × {height} pixels.",
    "Auf {width} × {height} Pixel vergrößert.",
    "Ampliada a {width} × {height} píxeles.",
    "Agrandie à {width} × {height} pixels.",
    "{width} × {height}ピクセルに拡大しました。",
)
BEFORE_ENLARGED = Sentence(
    "The picture before, enlarged to {width} × {height} pixels: {shown}",
    "Das Bild davor, auf {width} × {height} Pixel vergrößert: {shown}",
    "La imagen anterior, ampliada a {width} × {height} píxeles: {shown}",
    "L'image précédente, agrandie à {width} × {height} pixels : {shown}",
    "前の絵を{width} × {height}ピクセルに拡大したもの：{shown}",
)
OTHER_ASPECT = Sentence(
    "I cannot draw {aspect} any more, so this picture has the usual shape.",
    "{aspect} kann ich nicht mehr zeichnen, deshalb hat dieses Bild das übliche Format.",
    "Ya no puedo dibujar en {aspect}, así que esta imagen tiene el formato habitual.",
    "Je ne peux plus dessiner en {aspect}, cette image a donc le format habituel.",
    "{aspect}ではもう描けないので、この絵はいつもの縦横比です。",
)

# -- why a character cannot be as somebody wants -----------------------------------------------------------------------

NAME_TAKEN = Sentence(
    "There is a character named {name} already. Choose another name, or rename that one.",
    "Es gibt schon eine Figur namens {name}. Wähle einen anderen Namen, oder benenne jene um.",
    "Ya hay un personaje llamado {name}. Elige otro nombre o cambia el de ese.",
    "Il y a déjà un personnage nommé {name}. Choisis un autre nom, ou renomme celui-là.",
    "{name}という名前のキャラクターはすでにいます。別の名前にするか、そちらの名前を変えてください。",
)
NO_NAME = Sentence(
    "A character needs a name.",
    "Eine Figur braucht einen Namen.",
    "Un personaje necesita un nombre.",
    "Un personnage a besoin d'un nom.",
    "キャラクターには名前が必要です。",
)
NAME_TOO_LONG = Sentence(
    "A name has at most {most} characters.",
    "Ein Name hat höchstens {most} Zeichen.",
    "Un nombre tiene como máximo {most} caracteres.",
    "Un nom a {most} caractères au plus.",
    "名前は{most}文字までです。",
)
NO_LETTER = Sentence(
    "A name begins with a letter, like Olivia.",
    "Ein Name beginnt mit einem Buchstaben, wie Olivia.",
    "Un nombre empieza por una letra, como Olivia.",
    "Un nom commence par une lettre, comme Olivia.",
    "名前はオリビアのように文字で始めてください。",
)
DESCRIPTION_TOO_LONG = Sentence(
    "A description has at most {most} characters.",
    "Eine Beschreibung hat höchstens {most} Zeichen.",
    "Una descripción tiene como máximo {most} caracteres.",
    "Une description a {most} caractères au plus.",
    "説明は{most}文字までです。",
)
ENOUGH_PICTURES = Sentence(
    "A character has at most {most} pictures; {name} has {count}.",
    "Eine Figur hat höchstens {most} Bilder; {name} hat {count}.",
    "Un personaje tiene como máximo {most} imágenes; {name} tiene {count}.",
    "Un personnage a {most} images au plus ; {name} en a {count}.",
    "1人のキャラクターの画像は{most}枚までです。{name}には{count}枚あります。",
)
NO_SUCH_CHARACTER = Sentence(
    "That character does not exist any more.",
    "Diese Figur gibt es nicht mehr.",
    "Ese personaje ya no existe.",
    "Ce personnage n'existe plus.",
    "そのキャラクターはもういません。",
)
