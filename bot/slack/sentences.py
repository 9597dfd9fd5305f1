"""What the bot says in conversations on Slack alone, in all languages: see `storage.sentences`."""

from __future__ import annotations

from storage.sentences import Sentence

NOT_HERE = Sentence(
    "I am not in that channel and cannot join it by myself. Please invite me there with /invite, and ask again.",
    "Ich bin nicht in diesem Channel und kann ihm nicht selbst beitreten. Bitte lade mich dort mit /invite ein und frag "
    "noch einmal.",
    "No estoy en ese canal y no puedo unirme por mi cuenta. Invítame con /invite y pídelo de nuevo, por favor.",
    "Je ne suis pas dans ce canal et je ne peux pas le rejoindre seul. Invite-moi avec /invite et redemande, s'il te plaît.",
    "そのチャンネルに参加しておらず、自分では参加できません。/invite で招待してから、もう一度お願いします。",
)
ARCHIVED = Sentence(
    "That channel is archived, so I cannot answer there.",
    "Dieser Channel ist archiviert, deshalb kann ich dort nicht antworten.",
    "Ese canal está archivado, así que no puedo responder ahí.",
    "Ce canal est archivé, je ne peux donc pas y répondre.",
    "そのチャンネルはアーカイブされているため、返信できません。",
)
LIKE = Sentence("I like it", "Gefällt mir", "Me gusta", "Elle me plaît", "気に入った")
DISLIKE = Sentence("I do not like it", "Gefällt mir nicht", "No me gusta", "Elle ne me plaît pas", "気に入らない")
NO_NAME = Sentence(
    "Tell me who it is: “new character Olivia, red curly hair and round glasses”, with photos if you have some.",
    "Sag mir, wer es ist: „new character Olivia, rote Locken und runde Brille“, mit Fotos, wenn du welche hast.",
    "Dime quién es: «new character Olivia, pelo rojo rizado y gafas redondas», con fotos si las tienes.",
    "Dis-moi qui c'est : « new character Olivia, cheveux roux bouclés et lunettes rondes », avec des photos si tu en as.",
    "だれなのか教えてください。例：「new character Olivia, 赤い巻き毛に丸いメガネ」。写真があれば添付してください。",
)
UNASKED = Sentence(
    "What I draw is not compared with their face, since nobody was asked for that here. The form of /newcharacter asks.",
    "Was ich zeichne, wird nicht mit dem Gesicht verglichen, da hier niemand danach gefragt wurde. Das Formular von "
    "/newcharacter "
    "fragt.",
    "Lo que dibujo no se compara con su cara, ya que aquí nadie fue consultado. El formulario de /newcharacter lo pregunta.",
    "Ce que je dessine n'est pas comparé à son visage, car personne n'a été consulté ici. Le formulaire de /newcharacter le "
    "demande.",
    "ここでは同意を確認していないため、描いた絵を顔と照合しません。/newcharacter のフォームで確認できます。",
)
WHAT_I_CAN = Sentence(
    "What I can do.", "Was ich kann.", "Lo que puedo hacer.", "Ce que je sais faire.", "できることの一覧です。"
)
ONLY_YOU = Sentence(
    "Only you see what this opens.",
    "Was sich hier öffnet, siehst nur du.",
    "Solo tú ves lo que esto abre.",
    "Toi seul vois ce que cela ouvre.",
    "開いた内容はあなただけに見えます。",
)
ARCHIVE = Sentence(
    "All pictures, and what was said.",
    "Alle Bilder, und was gesagt wurde.",
    "Todas las imágenes, y lo que se dijo.",
    "Toutes les images, et ce qui a été dit.",
    "すべての絵と、やりとりです。",
)
HELP = Sentence(
    "Tell me whom to draw and where: mention me, or write to me in our messages. “Olivia, red curly hair and round glasses, "
    "reading on a beach”, and then in the thread “a close-up of Olivia at night”.\n"
    "In a thread mention me with one of these: *undo*, *again*, *cancel*, *characters*, *new character* and a name, "
    "*settings*, *history*, *export*, *forget me*, *help*. Elsewhere `/likeness` has all of it in a window, and `/imagine` "
    "draws.\n"
    "Under a picture are buttons for another one, variations, a larger one and more. In the menu of a message are _Use as "
    "reference_, _Draw from here_ and _Report_. My Home tab shows the characters, your conversations and what holds here.",
    "Sag mir, wen ich zeichnen soll und wo: erwähne mich, oder schreib mir in unseren Nachrichten. „Olivia, rote Locken und "
    "runde "
    "Brille, liest am Strand“, und dann im Thread „Olivia in Nahaufnahme bei Nacht“.\n"
    "Erwähne mich in einem Thread mit einem von diesen: *undo*, *again*, *cancel*, *characters*, *new character* und ein Name, "
    "*settings*, *history*, *export*, *forget me*, *help*. Sonst hat `/likeness` alles davon in einem Fenster, und `/imagine` "
    "zeichnet.\n"
    "Unter einem Bild sind Knöpfe für ein weiteres, Varianten, ein größeres und mehr. Im Menü einer Nachricht sind _Use as "
    "reference_, _Draw from here_ und _Report_. Mein Home-Tab zeigt die Figuren, deine Gespräche und was hier gilt.",
    "Dime a quién dibujar y dónde: mencióname o escríbeme en nuestros mensajes. «Olivia, pelo rojo rizado y gafas redondas, "
    "leyendo "
    "en una playa», y luego en el hilo «un primer plano de Olivia de noche».\n"
    "En un hilo mencióname con una de estas: *undo*, *again*, *cancel*, *characters*, *new character* y un nombre, *settings*, "
    "*history*, *export*, *forget me*, *help*. En otros sitios `/likeness` lo tiene todo en una ventana, y `/imagine` dibuja.\n"
    "Debajo de una imagen hay botones para otra, variaciones, una más grande y más. En el menú de un mensaje están _Use as "
    "reference_, _Draw from here_ y _Report_. Mi pestaña Inicio muestra los personajes, tus conversaciones y lo que rige aquí.",
    "Dis-moi qui dessiner, et où : mentionne-moi, ou écris-moi dans nos messages. « Olivia, cheveux roux bouclés et "
    "lunettes rondes, "
    "lisant sur une plage », puis dans le fil « gros plan d'Olivia la nuit ».\n"
    "Dans un fil, mentionne-moi avec l'un de ces mots : *undo*, *again*, *cancel*, *characters*, *new character* et un nom, "
    "*settings*, *history*, *export*, *forget me*, *help*. Ailleurs, `/likeness` a tout cela dans une fenêtre, et `/imagine` "
    "dessine.\n"
    "Sous une image, des boutons en donnent une autre, des variantes, une plus grande, et plus encore. Dans le menu d'un "
    "message se "
    "trouvent _Use as reference_, _Draw from here_ et _Report_. Mon onglet Accueil montre les personnages, tes "
    "conversations et ce "
    "qui vaut ici.",
    "誰をどこで描くか教えてください。私をメンションするか、メッセージタブで話しかけてください。"
    "例：「赤い巻き毛に丸いメガネのオリビアが"
    "海辺で読書」、続けてスレッドで「夜のオリビアのアップ」。\n"
    "スレッドでは、次のどれかを添えて私をメンションしてください：*undo*、*again*、*cancel*、*characters*、*new character* "
    "と名前、"
    "*settings*、*history*、*export*、*forget me*、*help*。ほかの場所では `/likeness` がすべてをウィンドウで開き、`/imagine` が"
    "絵を描きます。\n"
    "絵の下には、もう一枚、バリエーション、拡大などのボタンがあります。メッセージのメニューには _Use as reference_、_Draw "
    "from here_、"
    "_Report_ があります。ホームタブには、キャラクター、あなたの会話、ここでの設定が表示されます。",
)

# -- where windows lead ------------------------------------------------------------------------------------------------

DRAW = Sentence("Draw", "Zeichnen", "Dibujar", "Dessiner", "描く")
NEW_CHARACTER = Sentence("New character", "Neue Figur", "Nuevo personaje", "Nouveau personnage", "新しいキャラクター")
CHARACTERS = Sentence("Characters", "Figuren", "Personajes", "Personnages", "キャラクター")
YOUR_CONVERSATIONS = Sentence(
    "Your conversations", "Deine Gespräche", "Tus conversaciones", "Tes conversations", "あなたの会話"
)
SETTINGS = Sentence("Settings", "Einstellungen", "Ajustes", "Réglages", "設定")
FORGET_ME = Sentence("Forget me", "Vergiss mich", "Olvídame", "Oublie-moi", "データを消す")
HELP_TITLE = Sentence("Help", "Hilfe", "Ayuda", "Aide", "ヘルプ")
ADMIN = Sentence("Admin", "Admin", "Administración", "Admin", "管理")
MENU = Sentence("Menu", "Menü", "Menú", "Menu", "メニュー")
ABOUT_CONVERSATIONS = Sentence(
    "All pictures on one sheet, or everything as a zip",
    "Alle Bilder auf einem Blatt, oder alles als Zip",
    "Todas las imágenes en una hoja, o todo en un zip",
    "Toutes les images sur une feuille, ou tout dans un zip",
    "すべての絵を一枚に、または全部をzipで",
)
ABOUT_SETTINGS = Sentence(
    "What holds in this workspace",
    "Was in diesem Workspace gilt",
    "Lo que rige en este espacio de trabajo",
    "Ce qui vaut dans cet espace de travail",
    "このワークスペースでの設定",
)
ABOUT_ADMIN = Sentence(
    "For admins: how I work in this workspace",
    "Für Admins: wie ich in diesem Workspace arbeite",
    "Para administradores: cómo trabajo en este espacio de trabajo",
    "Pour les admins : comment je travaille dans cet espace de travail",
    "管理者向け：このワークスペースでの動作",
)
