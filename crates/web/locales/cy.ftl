# Testunau tudalennau cleifion. Mae pob un ar un llinell. Mae'r un enwau yn ffeil yr iaith arall.
when = { $day } am { $time }
other-language = English
other-language-code = en
back-to-list = Yn ôl i'ch apwyntiadau
problem-title = Mae yna broblem

appointments = Apwyntiadau
appointments-of-yours = Eich apwyntiadau
appointments-none = Nid oes gennych unrhyw apwyntiadau i ddod.
appointments-next = Nesaf: { $when }
appointments-some = { $count } i ddod
appointments-to-come = I ddod
appointments-past = Wedi bod neu wedi'u canslo
appointments-book = Trefnu apwyntiad
appointments-not-all = Efallai na fydd apwyntiadau a wnaed mewn man arall, ac nid drwy'r gwasanaeth hwn, wedi'u rhestru. Mae llythyrau o'r ysbyty yn sôn amdanynt.
appointments-hidden = Nid yw apwyntiadau ymhlith yr hyn y cewch ei weld.

at-place = yn { $place }
with-whom = gyda { $who }
about = Am beth y mae
where = Ble
sort = Math o apwyntiad
said-reason = Y rheswm a roddoch
state = Sut y mae

state-booked = Wedi'i drefnu
state-asked = Wedi gofyn amdano, heb ei gadarnhau eto
state-cancelling = Wrthi'n canslo, heb ei gadarnhau eto
state-taken = Heb ei drefnu: mae gan rywun arall yr amser
state-refused = Heb ei drefnu
state-cancelled = Wedi'i ganslo
state-past = Wedi bod
state-proposed = Heb ei gadarnhau eto
state-undelivered = Heb ei drefnu: nid oedd modd ei anfon
explain-asked = Gofynnwyd i { $place }, ac nid yw wedi ateb eto. Nid yw wedi'i drefnu. Peidiwch â mynd cyn iddo ddweud yma ei fod wedi'i drefnu.
explain-late = Gofynnwyd i { $place } ar { $when }, ac nid yw wedi ateb. Nid yw wedi'i drefnu. Mae { $here } wedi cael gwybod, a gallwch eu ffonio.
explain-undelivered = Nid oedd modd cyrraedd { $place }. Nid yw wedi'i drefnu. Mae { $here } wedi cael gwybod, a bydd yn ceisio eto neu'n eich ffonio.
explain-cancelling = Mae { $place } wedi cael gwybod nad ydych ei eisiau mwyach, ac nid yw wedi ateb eto. Tan hynny, efallai y caiff ei gadw i chi o hyd.
explain-taken = Roedd rhywun arall wedi'i drefnu eiliad ynghynt. Ni threfnwyd dim i chi.
explain-refused = Nid yw { $place } wedi'i drefnu: { $reason }
explain-cancelled = Cafodd ei ganslo. { $reason }
explain-elsewhere = Gwnaed yr apwyntiad hwn mewn system ar wahân. I'w newid neu ei ganslo, cysylltwch â { $place }.
explain-over = Mae wedi dechrau neu wedi bod, felly ni ellir ei newid yma mwyach.

book-title = Trefnu apwyntiad
book-reason = Am beth y mae?
book-reason-hint = Ychydig eiriau, fel “pen-glin dolurus ers pythefnos”. Cewch ei adael yn wag. Mewn argyfwng ffoniwch 999, ac am help brys ffoniwch 111.
book-who = Gyda phwy
book-anyone = Pawb
book-earlier = Amseroedd cynharaf
book-later = Amseroedd diweddarach
book-none = Nid oes apwyntiad rhydd yma yn ystod y chwe wythnos o'r diwrnod hwn.
book-silent = Nid oedd modd gofyn i { $place } am ei apwyntiadau rhydd: { $reason }
book-silent-advice = Efallai fod ganddo rai. Edrychwch eto yn nes ymlaen, neu ffoniwch nhw.
book-closed = Ni ellir trefnu apwyntiadau yn { $place } yma: cânt eu cadw mewn system ar wahân. Cysylltwch â { $place }.
book-confirmed-later = Mae { $place } yn cadarnhau pob archeb; tan hynny, dim ond gofyn amdano yr ydych.
book-too-long = Ysgrifennwch hyd at 500 nod

check-title = Gwiriwch cyn trefnu
check-move-title = Gwiriwch cyn ei symud
check-when = Pryd
check-for = Ar gyfer
check-instead = Yn lle
check-book = Trefnu'r apwyntiad hwn
check-move = Ei symud i'r amser hwn
check-ask = Gofyn am yr apwyntiad hwn
check-other = Dewis amser arall

taken-title = Roedd rhywun arall yn gynt
taken-text = Nid yw'r amser hwn yn rhydd mwyach. Ni threfnwyd dim, ac ni newidiwyd dim o'ch eiddo. Dyma'r amseroedd nesaf sy'n rhydd.
taken-none = Nid oes amser tebyg yn rhydd ar hyn o bryd.

done-booked = Mae eich apwyntiad wedi'i drefnu.
done-asked = Gofynnwyd am eich apwyntiad. Nid yw wedi'i drefnu cyn iddo ddweud hynny yma.
done-moved = Mae eich apwyntiad wedi'i symud.
done-cancelled = Mae eich apwyntiad wedi'i ganslo. Mae ei amser yn rhydd i rywun arall.
done-cancelling = Mae eich apwyntiad yn cael ei ganslo.

change-title = Ei symud i amser arall
change-none = Nid oes amser arall o'r math hwn yn rhydd ar hyn o bryd.
cancel-title = Ei ganslo
cancel-why = Pam?
cancel-why-needed = Dewiswch pam
cancel-better = Rwy'n well
cancel-time = Ni allaf ddod bryd hynny
cancel-elsewhere = Mae gennyf help mewn man arall
cancel-other = Rheswm arall
cancel-button = Canslo'r apwyntiad hwn
next-free = Amseroedd a oedd yn rhydd yn lle hynny
