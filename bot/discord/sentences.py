"""What the bot says in conversations on Discord alone, in all languages: see `storage.sentences`."""

from __future__ import annotations

from storage.sentences import Sentence

READY = Sentence("ready {at}", "fertig {at}", "lista {at}", "prête {at}", "完成は{at}")
NOT_HERE = Sentence(
    "I cannot draw in this kind of channel. Please use a text channel, a thread or a direct message.",
    "In dieser Art von Kanal kann ich nicht zeichnen. Bitte nimm einen Textkanal, einen Thread oder eine Direktnachricht.",
    "No puedo dibujar en este tipo de canal. Usa un canal de texto, un hilo o un mensaje directo, por favor.",
    "Je ne peux pas dessiner dans ce type de salon. Utilise un salon textuel, un fil ou un message privé, s'il te plaît.",
    "この種類のチャンネルでは描けません。テキストチャンネル、スレッド、ダイレクトメッセージを使ってください。",
)
LOCKED = Sentence(
    "This thread is locked, so I cannot answer in it. Ask a moderator to unlock it, or mention me in the channel.",
    "Dieser Thread ist gesperrt, deshalb kann ich darin nicht antworten. Bitte die Moderation, ihn zu öffnen, oder erwähne "
    "mich im "
    "Kanal.",
    "Este hilo está bloqueado, así que no puedo responder en él. Pide a un moderador que lo abra o mencióname en el canal.",
    "Ce fil est verrouillé, je ne peux donc pas y répondre. Demande à un modérateur de le rouvrir, ou mentionne-moi dans le "
    "salon.",
    "このスレッドはロックされているため返信できません。モデレーターに解除を頼むか、チャンネルで私をメンションしてください。",
)
NOBODY_HOME = Sentence(
    "I am not in this server, so I cannot answer here. Ask an admin to add me, or write to me directly.",
    "Ich bin nicht auf diesem Server, deshalb kann ich hier nicht antworten. Bitte einen Admin, mich hinzuzufügen, oder "
    "schreib mir "
    "direkt.",
    "No estoy en este servidor, así que no puedo responder aquí. Pide a un administrador que me añada o escríbeme "
    "directamente.",
    "Je ne suis pas sur ce serveur, je ne peux donc pas répondre ici. Demande à un admin de m'ajouter, ou écris-moi "
    "directement.",
    "このサーバーに参加していないため、ここでは返信できません。管理者に追加を頼むか、私に直接メッセージをください。",
)
MISSING = Sentence(
    "I need the permission “{missing}” here. Please ask an admin to give it to me.",
    "Ich brauche hier die Berechtigung „{missing}“. Bitte einen Admin, sie mir zu geben.",
    "Aquí necesito el permiso «{missing}». Pide a un administrador que me lo dé, por favor.",
    "J'ai besoin ici de la permission « {missing} ». Demande à un admin de me la donner, s'il te plaît.",
    "ここでは「{missing}」の権限が必要です。管理者に付与を頼んでください。",
)
MISSING_SEVERAL = Sentence(
    "I need the permissions “{missing}” here. Please ask an admin to give them to me.",
    "Ich brauche hier die Berechtigungen „{missing}“. Bitte einen Admin, sie mir zu geben.",
    "Aquí necesito los permisos «{missing}». Pide a un administrador que me los dé, por favor.",
    "J'ai besoin ici des permissions « {missing} ». Demande à un admin de me les donner, s'il te plaît.",
    "ここでは「{missing}」の権限が必要です。管理者に付与を頼んでください。",
)
AND_PERMISSION = Sentence(
    "{first}”, “{next}", "{first}“, „{next}", "{first}», «{next}", "{first} », « {next}", "{first}」「{next}"
)
VIEW_CHANNEL = Sentence("View Channel", "Kanal ansehen", "Ver canal", "Voir le salon", "チャンネルを見る")
SEND_IN_THREADS = Sentence(
    "Send Messages in Threads",
    "Nachrichten in Threads senden",
    "Enviar mensajes en hilos",
    "Envoyer des messages dans les fils",
    "スレッドでメッセージを送信",
)
ATTACH_FILES = Sentence(
    "Attach Files", "Dateien anhängen", "Adjuntar archivos", "Joindre des fichiers", "ファイルを添付"
)
READ_HISTORY = Sentence(
    "Read Message History",
    "Nachrichtenverlauf lesen",
    "Leer el historial de mensajes",
    "Voir les anciens messages",
    "メッセージ履歴を読む",
)
CREATE_THREADS = Sentence(
    "Create Public Threads",
    "Öffentliche Threads erstellen",
    "Crear hilos públicos",
    "Créer des fils publics",
    "公開スレッドの作成",
)
NO_FILES = Sentence(
    "I may not attach files here any more, so the picture cannot be shown. Please ask an admin.",
    "Ich darf hier keine Dateien mehr anhängen, deshalb kann das Bild nicht gezeigt werden. Bitte frag einen Admin.",
    "Ya no puedo adjuntar archivos aquí, así que la imagen no se puede mostrar. Pregunta a un administrador, por favor.",
    "Je ne peux plus joindre de fichiers ici, l'image ne peut donc pas être montrée. Demande à un admin, s'il te plaît.",
    "ここではもうファイルを添付できないため、絵を表示できません。管理者にお尋ねください。",
)
IN_CHANNEL = Sentence(
    "In {channel}: {what}",
    "In {channel}: {what}",
    "En {channel}: {what}",
    "Dans {channel} : {what}",
    "{channel}にて：{what}",
)
ARCHIVE = Sentence(
    "All pictures, and what was said, as JSON.",
    "Alle Bilder, und was gesagt wurde, als JSON.",
    "Todas las imágenes, y lo que se dijo, en JSON.",
    "Toutes les images, et ce qui a été dit, en JSON.",
    "すべての絵と、やりとりのJSONです。",
)
TOO_LARGE = Sentence(
    "It has {size} MB, which is more than may be uploaded here.",
    "Es hat {size} MB, und das ist mehr, als man hier hochladen darf.",
    "Ocupa {size} MB, más de lo que se puede subir aquí.",
    "Cela fait {size} Mo, plus que ce qu'on peut envoyer ici.",
    "{size} MBあり、ここでアップロードできる大きさを超えています。",
)
PICTURES_GONE = Sentence(
    "I cannot see the pictures of that message any more. Please choose it once more.",
    "Ich kann die Bilder dieser Nachricht nicht mehr sehen. Bitte wähle sie noch einmal.",
    "Ya no puedo ver las imágenes de ese mensaje. Elígelo otra vez, por favor.",
    "Je ne vois plus les images de ce message. Choisis-le encore une fois, s'il te plaît.",
    "そのメッセージの画像がもう見られません。もう一度選んでください。",
)
