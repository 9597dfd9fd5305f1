"""What the bot says in conversations on every platform, in all languages: see `storage.sentences` for how a language is chosen.

Commands that can be written are English words in every language. What a platform alone has to say is in its own folder.
"""

from __future__ import annotations

from storage.sentences import Sentence

DONE = Sentence("Done.", "Fertig.", "Hecho.", "C'est fait.", "できました。")
HELP = Sentence(
    "Tell me whom to draw and where: “Olivia, red curly hair and round glasses, reading on a beach”. Then go on: “a close-up "
    "of Olivia at night”. You can also write: undo, again, cancel, characters, help.",
    "Sag mir, wen ich zeichnen soll und wo: „Olivia, rote Locken und runde Brille, liest am Strand“. Dann geht es weiter: "
    "„Olivia in Nahaufnahme bei Nacht“. Du kannst auch schreiben: undo, again, cancel, characters, help.",
    "Dime a quién dibujar y dónde: «Olivia, pelo rojo rizado y gafas redondas, leyendo en una playa». Luego sigue: «un primer "
    "plano de Olivia de noche». También puedes escribir: undo, again, cancel, characters, help.",
    "Dis-moi qui dessiner, et où : « Olivia, cheveux roux bouclés et lunettes rondes, lisant sur une plage ». Puis continue : "
    "« gros plan d'Olivia la nuit ». Tu peux aussi écrire : undo, again, cancel, characters, help.",
    "誰をどこで描くか教えてください。例：「赤い巻き毛に丸いメガネのオリビアが海辺で読書」。"
    "続けて「夜のオリビアのアップ」のように"
    "書けます。undo、again、cancel、characters、helpと書くこともできます。",
)
AWAY = Sentence(
    "I cannot take this in just now. Please try again in a moment.",
    "Das kann ich gerade nicht annehmen. Bitte versuch es gleich noch einmal.",
    "Ahora mismo no puedo atender esto. Inténtalo de nuevo en un momento.",
    "Je ne peux pas prendre ça en compte pour l'instant. Réessaie dans un moment.",
    "いまは受け付けられません。少ししてからもう一度お試しください。",
)
BROKEN = Sentence(
    "Something went wrong on my side. Please try again.",
    "Bei mir ist etwas schiefgegangen. Bitte versuch es noch einmal.",
    "Algo salió mal por mi parte. Inténtalo de nuevo.",
    "Quelque chose s'est mal passé de mon côté. Réessaie.",
    "こちらで問題が起きました。もう一度お試しください。",
)
WITH_REFERENCE = Sentence(
    "{what} (Reference {reference}.)",
    "{what} (Nummer {reference}.)",
    "{what} (Referencia {reference}.)",
    "{what} (Référence {reference}.)",
    "{what}（番号：{reference}）",
)

# -- while a turn waits ------------------------------------------------------------------------------------------------

DRAWING = Sentence(
    "Drawing, step {step} of {steps}",
    "Zeichne, Schritt {step} von {steps}",
    "Dibujando, paso {step} de {steps}",
    "Dessin en cours, étape {step} sur {steps}",
    "描画中（{steps}ステップ中{step}）",
)
WRITING = Sentence(
    "Writing the reply",
    "Schreibe die Antwort",
    "Escribiendo la respuesta",
    "Rédaction de la réponse",
    "返事を書いています",
)
READING = Sentence(
    "Reading the conversation",
    "Lese das Gespräch",
    "Leyendo la conversación",
    "Lecture de la conversation",
    "会話を読んでいます",
)
BEING_DRAWN = Sentence("Being drawn", "Wird gezeichnet", "Se está dibujando", "En train d'être dessiné", "描いています")
NO_WORKER = Sentence(
    "Waiting for a worker to come up",
    "Warte, bis eine Maschine bereit ist",
    "Esperando a que haya una máquina disponible",
    "En attente d'une machine disponible",
    "描くマシンの起動を待っています",
)
NEXT = Sentence(
    "Next in line", "Als Nächstes an der Reihe", "Sigue en la cola", "Prochain dans la file", "次の順番です"
)
AHEAD = Sentence(
    "{count} ahead in the queue",
    "Noch {count} davor in der Schlange",
    "{count} por delante en la cola",
    "{count} devant dans la file",
    "前に{count}件待っています",
)
AND_WHEN = Sentence("{place}, {when}", "{place}, {when}", "{place}, {when}", "{place}, {when}", "{place}（{when}）")
ABOUT = Sentence("about {count} s", "etwa {count} s", "unos {count} s", "environ {count} s", "約{count}秒")

# -- buttons -----------------------------------------------------------------------------------------------------------

CANCEL = Sentence("Cancel", "Abbrechen", "Cancelar", "Annuler", "中止")
AGAIN = Sentence("Again", "Noch einmal", "Otra vez", "Encore", "もう一度")
TRY_AGAIN = Sentence("Try again", "Neuer Versuch", "Reintentar", "Réessayer", "再試行")
VARIATIONS = Sentence("Variations", "Varianten", "Variaciones", "Variantes", "バリエーション")
OTHERS = Sentence("Others", "Andere", "Otras", "D'autres", "ほかの案")
UNDO = Sentence("Undo", "Rückgängig", "Deshacer", "Revenir", "元に戻す")
DELETE = Sentence("Delete", "Löschen", "Borrar", "Supprimer", "削除")
LARGER = Sentence("Larger", "Größer", "Ampliar", "Agrandir", "拡大")
TAKE = Sentence("Take {number}", "Nimm {number}", "Elegir la {number}", "Choisir la {number}", "{number}番にする")
FIRST_IS_BETTER = Sentence(
    "The first is better", "Das erste ist besser", "La primera es mejor", "La première est mieux", "1枚目のほうがよい"
)
SECOND_IS_BETTER = Sentence(
    "The second is better", "Das zweite ist besser", "La segunda es mejor", "La seconde est mieux", "2枚目のほうがよい"
)

# -- what comes of buttons and commands --------------------------------------------------------------------------------

ENDED = Sentence(
    "It has ended already.",
    "Es ist schon zu Ende.",
    "Ya ha terminado.",
    "C'est déjà terminé.",
    "すでに終わっています。",
)
MINE = Sentence(
    "Only whoever asked for the picture, or a moderator, can do that.",
    "Das kann nur, wer um das Bild gebeten hat, oder eine Person, die moderiert.",
    "Solo puede hacerlo quien pidió la imagen o un moderador.",
    "Seule la personne qui a demandé l'image, ou un modérateur, peut faire cela.",
    "それができるのは、絵を頼んだ人かモデレーターだけです。",
)
GONE = Sentence(
    "This picture is not known any more.",
    "Dieses Bild ist nicht mehr bekannt.",
    "Esta imagen ya no se conoce.",
    "Cette image n'est plus connue.",
    "この絵はもうわかりません。",
)
DELETED = Sentence(
    "Deleted: the picture, its words and what I remembered of it.",
    "Gelöscht: das Bild, seine Worte und was ich davon behalten hatte.",
    "Borrado: la imagen, sus palabras y lo que recordaba de ella.",
    "Supprimé : l'image, ses mots et ce que j'en avais retenu.",
    "絵とその言葉、覚えていたことを削除しました。",
)
NOT_LATEST = Sentence(
    "That is not the latest picture any more. Reply to it to go on from there.",
    "Das ist nicht mehr das neueste Bild. Antworte darauf, um von dort weiterzumachen.",
    "Esa ya no es la última imagen. Respóndele para seguir desde ahí.",
    "Ce n'est plus la dernière image. Réponds-y pour repartir de là.",
    "それはもう最新の絵ではありません。そこから続けるには、その絵に返信してください。",
)
NOTHING_HERE = Sentence(
    "There is nothing here yet.",
    "Hier ist noch nichts.",
    "Aquí todavía no hay nada.",
    "Il n'y a encore rien ici.",
    "ここにはまだ何もありません。",
)
CHARACTERS = Sentence(
    "Characters: {names}.",
    "Figuren: {names}.",
    "Personajes: {names}.",
    "Personnages : {names}.",
    "キャラクター：{names}",
)
NOBODY = Sentence(
    "Nobody has a name yet.",
    "Noch hat niemand einen Namen.",
    "Todavía nadie tiene nombre.",
    "Personne n'a encore de nom.",
    "名前のある人物はまだいません。",
)
OBEYED = Sentence("Done.", "Erledigt.", "Hecho.", "C'est fait.", "完了しました。")
NOTHING_DRAWN = Sentence(
    "Nothing is being drawn.",
    "Es wird gerade nichts gezeichnet.",
    "No se está dibujando nada.",
    "Rien n'est en train d'être dessiné.",
    "いま描いているものはありません。",
)
NOTHING_TO_UNDO = Sentence(
    "There is nothing to undo.",
    "Es gibt nichts rückgängig zu machen.",
    "No hay nada que deshacer.",
    "Il n'y a rien à annuler.",
    "元に戻すものがありません。",
)
STARTING_AFRESH = Sentence(
    "Undone. We start afresh.",
    "Rückgängig gemacht. Wir fangen neu an.",
    "Deshecho. Empezamos de nuevo.",
    "Annulé. On repart de zéro.",
    "元に戻しました。最初から始めます。",
)
ONE_BACK = Sentence(
    "Undone. We are back at the picture before.",
    "Rückgängig gemacht. Wir sind wieder beim Bild davor.",
    "Deshecho. Volvemos a la imagen anterior.",
    "Annulé. On est revenu à l'image précédente.",
    "元に戻しました。前の絵からの続きになります。",
)
PICKED = Sentence(
    "Number {number} it is. The conversation goes on from there.",
    "Also Nummer {number}. Das Gespräch geht von dort weiter.",
    "La número {number}, entonces. La conversación sigue desde ahí.",
    "Ce sera la numéro {number}. La conversation continue à partir d'elle.",
    "{number}番にしました。会話はそこから続きます。",
)
PREFERRED = Sentence(
    "Thank you. I noted which of the two you like better.",
    "Danke. Ich habe notiert, welches der beiden dir besser gefällt.",
    "Gracias. He anotado cuál de las dos te gusta más.",
    "Merci. J'ai noté laquelle des deux tu préfères.",
    "ありがとうございます。どちらがお好みか記録しました。",
)
LIKED = Sentence(
    "Thank you. I noted that you like it.",
    "Danke. Ich habe notiert, dass es dir gefällt.",
    "Gracias. He anotado que te gusta.",
    "Merci. J'ai noté qu'elle te plaît.",
    "ありがとうございます。お気に入りだと記録しました。",
)
DISLIKED = Sentence(
    "Thank you. I noted that you do not like it.",
    "Danke. Ich habe notiert, dass es dir nicht gefällt.",
    "Gracias. He anotado que no te gusta.",
    "Merci. J'ai noté qu'elle ne te plaît pas.",
    "ありがとうございます。お好みでないと記録しました。",
)
NOTHING_YET = Sentence(
    "Nothing was drawn in this thread yet.",
    "In diesem Thread wurde noch nichts gezeichnet.",
    "Todavía no se ha dibujado nada en este hilo.",
    "Rien n'a encore été dessiné dans ce fil.",
    "このスレッドではまだ何も描かれていません。",
)
SHEET = Sentence(
    "Framed pictures lead to where the conversation is now.",
    "Gerahmte Bilder führen dorthin, wo das Gespräch jetzt steht.",
    "Las imágenes con marco llevan a donde está ahora la conversación.",
    "Les images encadrées mènent là où en est la conversation.",
    "枠のついた絵が、いまの会話につながる流れです。",
)
NO_PICTURES = Sentence(
    "There is no picture in that message. Choose a message with pictures of whom you want to draw.",
    "In dieser Nachricht ist kein Bild. Wähle eine Nachricht mit Bildern der Person, die du zeichnen willst.",
    "En ese mensaje no hay ninguna imagen. Elige un mensaje con imágenes de quien quieres dibujar.",
    "Il n'y a pas d'image dans ce message. Choisis un message avec des images de la personne à dessiner.",
    "そのメッセージに画像がありません。描きたい人の画像があるメッセージを選んでください。",
)
NOT_OURS = Sentence(
    "That is none of my pictures. Choose a message in which I show one.",
    "Das ist keines meiner Bilder. Wähle eine Nachricht, in der ich eines zeige.",
    "Esa no es una de mis imágenes. Elige un mensaje en el que muestro una.",
    "Ce n'est pas une de mes images. Choisis un message où j'en montre une.",
    "それは私の絵ではありません。私が絵を出しているメッセージを選んでください。",
)
REPORTED = Sentence(
    "Thank you. I kept your report: those who run me can read your reason, which picture it is about, and that it was you. "
    "Until they have looked, the picture stays where it is.",
    "Danke. Ich habe deine Meldung aufbewahrt: wer mich betreibt, kann deinen Grund lesen, um welches Bild es geht, und "
    "dass sie "
    "von dir kommt. Bis dahin bleibt das Bild, wo es ist.",
    "Gracias. He guardado tu denuncia: quienes me administran pueden leer tu motivo, de qué imagen se trata y que fuiste tú. "
    "Hasta que la revisen, la imagen se queda donde está.",
    "Merci. J'ai gardé ton signalement : les personnes qui me gèrent peuvent lire ta raison, de quelle image il s'agit et que "
    "c'est toi. Tant qu'elles n'ont pas regardé, l'image reste où elle est.",
    "ありがとうございます。報告を保存しました。運営者は理由と対象の絵、報告者があなたであることを読めます。確認されるまで、絵は"
    "そのまま残ります。",
)

# -- pictures that come in and go out ----------------------------------------------------------------------------------

ANIMATED = Sentence(
    "Your picture moves; I took its first frame.",
    "Dein Bild bewegt sich; ich habe das erste Einzelbild genommen.",
    "Tu imagen se mueve; tomé el primer fotograma.",
    "Ton image est animée ; j'en ai pris la première.",
    "動く画像なので、最初のコマを使いました。",
)
ATTACHMENT_GONE = Sentence(
    "The picture that you attached is gone. Please attach it again.",
    "Das Bild, das du angehängt hast, ist nicht mehr da. Bitte häng es noch einmal an.",
    "La imagen que adjuntaste ya no está. Adjúntala otra vez, por favor.",
    "L'image que tu as jointe n'est plus là. Joins-la de nouveau, s'il te plaît.",
    "添付された画像がなくなっています。もう一度添付してください。",
)
NO_LINKS = Sentence(
    "I cannot open links to pictures here. Please upload the picture itself.",
    "Links zu Bildern kann ich hier nicht öffnen. Bitte lade das Bild selbst hoch.",
    "Aquí no puedo abrir enlaces a imágenes. Sube la imagen misma, por favor.",
    "Je ne peux pas ouvrir de liens vers des images ici. Envoie l'image elle-même, s'il te plaît.",
    "ここでは画像へのリンクを開けません。画像そのものをアップロードしてください。",
)
ELSEWHERE = Sentence(
    "I only take pictures that are uploaded to {platform}. Please upload the picture itself.",
    "Ich nehme nur Bilder, die bei {platform} hochgeladen sind. Bitte lade das Bild selbst hoch.",
    "Solo acepto imágenes subidas a {platform}. Sube la imagen misma, por favor.",
    "Je n'accepte que les images envoyées sur {platform}. Envoie l'image elle-même, s'il te plaît.",
    "{platform}にアップロードされた画像だけ受け取れます。画像そのものをアップロードしてください。",
)
TOO_LARGE = Sentence(
    "I take pictures of up to {most} MB. Please send a smaller one.",
    "Ich nehme Bilder bis {most} MB. Bitte schick ein kleineres.",
    "Acepto imágenes de hasta {most} MB. Envía una más pequeña, por favor.",
    "J'accepte des images de {most} Mo au plus. Envoies-en une plus petite, s'il te plaît.",
    "受け取れる画像は{most} MBまでです。もっと小さいものを送ってください。",
)
NO_ALT_TEXT = Sentence(
    "A picture that Likeness drew.",
    "Ein Bild, das Likeness gezeichnet hat.",
    "Una imagen que dibujó Likeness.",
    "Une image dessinée par Likeness.",
    "Likenessが描いた絵です。",
)
PREVIEW_ALT_TEXT = Sentence(
    "The picture as it is being drawn.",
    "Das Bild, wie es gerade gezeichnet wird.",
    "La imagen mientras se dibuja.",
    "L'image en train d'être dessinée.",
    "描いている途中の絵です。",
)
ONE_OF = Sentence(
    "Picture {number} of {of}. {shown}",
    "Bild {number} von {of}. {shown}",
    "Imagen {number} de {of}. {shown}",
    "Image {number} sur {of}. {shown}",
    "{of}枚中{number}枚目。{shown}",
)
NO_FILES = Sentence(
    "I may not upload files here any more, so the picture cannot be shown. Please ask an admin.",
    "Ich darf hier keine Dateien mehr hochladen, deshalb kann das Bild nicht gezeigt werden. Bitte frag einen Admin.",
    "Ya no puedo subir archivos aquí, así que la imagen no se puede mostrar. Pregunta a un administrador, por favor.",
    "Je ne peux plus envoyer de fichiers ici, l'image ne peut donc pas être montrée. Demande à un admin, s'il te plaît.",
    "ここではもうファイルをアップロードできないため、絵を表示できません。管理者にお尋ねください。",
)

# -- aspects -----------------------------------------------------------------------------------------------------------

SIZE = Sentence("{size}", "{size}", "{size}", "{size}", "{size}")
SIZE_AND_SHAPE = Sentence(
    "{size} ({shape})", "{size} ({shape})", "{size} ({shape})", "{size} ({shape})", "{size}（{shape}）"
)
SQUARE = Sentence("square", "quadratisch", "cuadrada", "carré", "正方形")
NO_SIZES = Sentence(
    "No machine that draws is there just now, so I cannot tell its sizes. Please leave the aspect out.",
    "Gerade ist keine Maschine da, die zeichnet, deshalb kenne ich ihre Formate nicht. Bitte lass das Format weg.",
    "Ahora mismo no hay ninguna máquina que dibuje, así que no sé sus tamaños. Deja fuera el formato, por favor.",
    "Aucune machine qui dessine n'est là pour l'instant, je ne connais donc pas ses tailles. Laisse le format de côté, s'il "
    "te plaît.",
    "いま描くマシンがないため、選べるサイズがわかりません。縦横比は指定しないでください。",
)
ONE_SIZE = Sentence(
    "Pictures here are {only}, and no other size can be chosen. Please leave the aspect out.",
    "Bilder sind hier {only}, und eine andere Größe kann man nicht wählen. Bitte lass das Format weg.",
    "Las imágenes aquí son de {only} y no se puede elegir otro tamaño. Deja fuera el formato, por favor.",
    "Les images sont ici en {only}, et aucune autre taille ne peut être choisie. Laisse le format de côté, s'il te plaît.",
    "ここの絵は{only}だけで、ほかのサイズは選べません。縦横比は指定しないでください。",
)
SIZES = Sentence(
    "Pictures here can be {most} or {last}. Please choose one of these, or leave the aspect out.",
    "Bilder können hier {most} oder {last} sein. Bitte wähle eines davon, oder lass das Format weg.",
    "Las imágenes aquí pueden ser {most} o {last}. Elige una de estas opciones o deja fuera el formato, por favor.",
    "Les images peuvent être ici {most} ou {last}. Choisis-en un, ou laisse le format de côté, s'il te plaît.",
    "ここの絵は{most}、{last}から選べます。どれかを選ぶか、縦横比を指定しないでください。",
)
ALL_ARE = Sentence(
    "{only}: all pictures here are",
    "{only}: so sind hier alle Bilder",
    "{only}: así son todas las imágenes aquí",
    "{only} : toutes les images sont ainsi ici",
    "{only}：ここの絵はすべてこれです",
)

# -- characters --------------------------------------------------------------------------------------------------------

CREATED = Sentence(
    "{name} can be drawn by name now.",
    "{name} kann jetzt beim Namen gezeichnet werden.",
    "Ya se puede dibujar a {name} por su nombre.",
    "On peut maintenant dessiner {name} par son nom.",
    "これで{name}を名前で描けます。",
)
RENAMED = Sentence("Renamed.", "Umbenannt.", "Nombre cambiado.", "Renommé.", "名前を変えました。")
PROMOTED = Sentence(
    "All conversations know this character now.",
    "Alle Gespräche kennen diese Figur jetzt.",
    "Ahora todas las conversaciones conocen a este personaje.",
    "Toutes les conversations connaissent maintenant ce personnage.",
    "すべての会話でこのキャラクターを使えるようになりました。",
)
REMOVED = Sentence(
    "Deleted. Pictures that were drawn stay.",
    "Gelöscht. Gezeichnete Bilder bleiben.",
    "Borrado. Las imágenes que se dibujaron se quedan.",
    "Supprimé. Les images dessinées restent.",
    "削除しました。描いた絵は残ります。",
)
PHOTOGRAPHED = Sentence("Added.", "Hinzugefügt.", "Añadido.", "Ajouté.", "追加しました。")
KNOWN = Sentence(
    "I have these pictures already.",
    "Diese Bilder habe ich schon.",
    "Ya tengo estas imágenes.",
    "J'ai déjà ces images.",
    "その画像はすでに持っています。",
)
UNAGREED = Sentence(
    "Not everybody in all pictures of them agreed, so what I draw is not compared with their face.",
    "Nicht alle auf allen Bildern dieser Figur haben zugestimmt, deshalb wird das Gezeichnete nicht mit dem Gesicht "
    "verglichen.",
    "No todas las personas de todas sus imágenes dieron su acuerdo, así que lo que dibujo no se compara con su cara.",
    "Tout le monde n'a pas donné son accord pour toutes ses images, ce que je dessine n'est donc pas comparé à son visage.",
    "画像に写る全員の同意がそろっていないため、描いた絵を顔と照合しません。",
)
NOT_YOURS = Sentence(
    "Only whoever made this character, or a moderator, can do that.",
    "Das kann nur, wer diese Figur angelegt hat, oder eine Person, die moderiert.",
    "Solo puede hacerlo quien creó este personaje o un moderador.",
    "Seule la personne qui a créé ce personnage, ou un modérateur, peut faire cela.",
    "それができるのは、このキャラクターを作った人かモデレーターだけです。",
)
