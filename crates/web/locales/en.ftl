# Texts of the pages for patients. Each stands on one line. The same ids are in the file of the other language.
when = { $day } at { $time }
other-language = Cymraeg
other-language-code = cy
back-to-list = Back to your appointments
problem-title = There is a problem

appointments = Appointments
appointments-of-yours = Your appointments
appointments-none = You have no appointments to come.
appointments-next = Next: { $when }
appointments-some = { $count } to come
appointments-to-come = To come
appointments-past = Past and cancelled
appointments-book = Book an appointment
appointments-not-all = Appointments that were made elsewhere and not through this service may not be listed. Letters from the hospital tell of them.
appointments-hidden = Appointments are not among what you may see.

at-place = at { $place }
with-whom = with { $who }
about = What it is about
where = Where
sort = Kind of appointment
said-reason = The reason you gave
state = How it stands

state-booked = Booked
state-asked = Asked for, not yet confirmed
state-cancelling = Cancelling, not yet confirmed
state-taken = Not booked: somebody else has it
state-refused = Not booked
state-cancelled = Cancelled
state-past = Past
state-proposed = Not yet confirmed
state-undelivered = Not booked: it could not be delivered
explain-asked = { $place } has been asked and has not answered yet. It is not booked. Do not go before it says here that it is booked.
explain-late = { $place } was asked on { $when } and has not answered. It is not booked. { $here } has been told, and you can ring them.
explain-undelivered = { $place } could not be reached. It is not booked. { $here } has been told, and tries again or rings you.
explain-cancelling = { $place } has been told that you do not want it any more, and has not answered yet. Until then it may still be kept for you.
explain-taken = Somebody else had booked it a moment before. Nothing was booked for you.
explain-refused = { $place } has not booked it: { $reason }
explain-cancelled = It was cancelled. { $reason }
explain-elsewhere = This appointment was made in a system of its own. To change or cancel it, contact { $place }.
explain-over = It has begun or is over, so it cannot be changed here any more.

book-title = Book an appointment
book-reason = What is it about?
book-reason-hint = A few words, such as “sore knee for two weeks”. You can leave it empty. For an emergency ring 999, and for urgent help ring 111.
book-who = With whom
book-anyone = All
book-earlier = Earliest times
book-later = Later times
book-none = There is no free appointment here in the six weeks from this day.
book-silent = We could not ask { $place } for its free appointments: { $reason }
book-silent-advice = It may have some. Look again later, or ring them.
book-closed = Appointments at { $place } cannot be booked here: they are kept in a system of their own. Contact { $place }.
book-confirmed-later = { $place } confirms each booking; until then it is only asked for.
book-too-long = Write up to 500 characters

check-title = Check before you book
check-move-title = Check before you move it
check-when = When
check-for = For
check-instead = In place of
check-book = Book this appointment
check-move = Move it to this time
check-ask = Ask for this appointment
check-other = Choose another time

taken-title = Somebody else was faster
taken-text = This time is not free any more. Nothing was booked, and nothing of yours was changed. These times are the next that are free.
taken-none = No time like it is free at present.

done-booked = Your appointment is booked.
done-asked = Your appointment is asked for. It is not booked before it says so here.
done-moved = Your appointment is moved.
done-cancelled = Your appointment is cancelled. Its time is free for somebody else.
done-cancelling = Your appointment is being cancelled.

change-title = Move it to another time
change-none = No other time of this kind is free at present.
cancel-title = Cancel it
cancel-why = Why?
cancel-why-needed = Choose why
cancel-better = I am better
cancel-time = I cannot come at that time
cancel-elsewhere = I have help elsewhere
cancel-other = Another reason
cancel-button = Cancel this appointment
next-free = Times that were free instead
