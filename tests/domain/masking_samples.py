"""Sentences with and without personal data, in Korean and English, written by hand before the recognisers were tuned.

Belongs here: sentence frames, data and look-alikes, and how they are crossed. All data are invented or are the public
examples of their standards. Does not belong here: scoring (``test_masking``).

Each block has two parts, split by a line ``----``: the first was looked at while tuning, the second was kept back and
scored only at the end. In secrets a ``~`` is taken out when read, so that no scanner of repositories takes them for
real ones; ``⏎`` stands for a line break.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

LANGUAGES = ("ko", "en")
TYPES = ("EMAIL", "PHONE", "CARD", "RRN", "IBAN", "SECRET")

FRAMES = {
    ("ko", "EMAIL"): """
안녕하세요. 회신은 {}으로 부탁드립니다.
제 이메일은 {}입니다. 확인 후 연락 주세요.
{}로 로그인이 안 됩니다.
가입 메일: {}
담당자({})에게 전달했는데 답이 없습니다.
<a href="mailto:{}">메일 보내기</a> 링크가 깨져 있어요.
비밀번호 재설정 메일이 {} 주소로 오지 않습니다
계정 {}와 결제 계정이 다릅니다.
참조: {}; 제목: 환불 요청
"홍길동" <{}> 님이 작성:
이메일 변경 요청드립니다.⏎기존: {}⏎감사합니다.
세금계산서는{}으로 보내주세요
----
주문자 메일주소가 {}인데 오타가 있었습니다.
보낸사람: {}
{}에서 온 메일이 스팸으로 분류됩니다.
초대를 {},로 보냈는데 만료됐다고 나옵니다.
혹시 {}도 같이 등록 가능할까요?
문의처 {}
""",
    ("en", "EMAIL"): """
Please reply to {} when you can.
My email is {}, thanks.
I can't log in as {}.
Account: {}
I forwarded it to our admin ({}) last week.
<a href="mailto:{}?subject=Refund">write us</a> does nothing.
The reset mail never arrives at {}
Could you move the licence from {} to a colleague?
Cc: {}; Subject: refund
"Jane Roe" <{}> wrote:
Old address:⏎{}⏎Regards
The invoice went to {}, which nobody reads.
----
From: {}
Add {} as an owner of the workspace, please.
We invited {}! No answer so far.
user={}&plan=pro is in the URL that fails
Is {} still the right contact?
Contact {}
""",
    ("ko", "PHONE"): """
연락처는 {}입니다.
{}로 전화 부탁드립니다.
급합니다. {} 으로 문자 주세요.
휴대폰: {}
담당 매니저 번호 {}이고 오후에 통화 가능합니다.
어제 {}에서 전화가 왔는데 못 받았습니다.
<a href="tel:{}">전화하기</a>
배송 기사님께 {} 이 번호로 연락 달라고 전해주세요.
Tel. {} / 부재 시 문자
주문번호 20240315-0001234 건이고 연락처 {} 입니다.
반품 수거 요청합니다.⏎전화번호 {}⏎감사합니다.
고객센터({})로 걸어도 연결이 안 돼요.
----
회사 대표번호가 {}로 바뀌었습니다.
본인인증 번호가 {}로 안 옵니다.
받는 분 김서연, {}, 부재 시 경비실
번호가 {}인데 인증이 안 됩니다
팩스 {} 로 보내드렸어요.
H.P {}
""",
    ("en", "PHONE"): """
My phone number is {}.
Please call me at {} after 5 pm.
You can reach me on {}, any time.
Phone: {}
Text {} if the courier is early.
I got a call from {} claiming to be you.
<a href="tel:{}">Call us</a>
Mobile {} (Jane), office closed on Fridays.
Regarding order 10023456: my cell is {}
Kind regards⏎Tom Baker⏎Tel: {}
The SMS code is sent to {} but that is my old phone number.
Our support line ({}) just rings.
----
Fax it to {} please.
Is {} the right number to dial?
Her WhatsApp number is {} and she is in Berlin.
Contact: Lee, {}, ask for the manager.
Update the number on file to {}, I changed phones.
T: {}
""",
    ("ko", "CARD"): """
카드번호 {}로 결제했는데 이중 청구됐습니다.
제 카드는 {}입니다.
{} 카드로 결제가 안 돼요.
결제 카드: {}
신용카드({}) 유효기간이 지났다고 나옵니다.
환불은 {}으로 해주세요.
어제 {} 승인 취소 부탁드립니다
법인카드 {}를 등록하려는데 오류가 나요.
카드 정보입니다.⏎{}⏎12/27
주문번호 2024031512345 건, 카드 {} 로 재결제 원합니다.
자동결제 카드를 {}에서 다른 카드로 바꿔주세요.
----
{}, 유효기간 03/28 입니다.
체크카드 번호가 {}인데 승인 거절이라고 뜹니다.
분실한 카드 {} 정지해 주세요.
카드 등록 화면에 {} 입력하면 멈춥니다.
결제수단 {}
""",
    ("en", "CARD"): """
I was charged twice on card {}.
My card number is {}, please refund it.
{} gets declined at checkout.
Card: {}
The card on file ({}) has expired.
Please refund to {} and not to store credit.
Entering {} shows "invalid number"
We want to replace {} with the company Visa.
Payment details:⏎{}⏎exp 12/27
For order 10023456 use card {} instead.
I typed {}, then the page froze.
----
{} exp 03/28 cvc on the phone please
My new Mastercard is {}; the old one was stolen.
Why was {} billed on Monday?
Credit card no. {}
Try charging {} again tomorrow.
""",
    ("ko", "RRN"): """
주민등록번호 {}로 본인인증이 안 됩니다.
제 주민번호는 {}입니다.
{} 본인 확인 부탁드려요.
주민번호: {}
가입자 홍길동({}) 명의 변경 요청합니다.
외국인등록번호 {}를 입력하면 오류가 납니다.
연말정산에 {} 가족을 추가하고 싶어요 (주민등록번호 맞음)
실명확인용 주민등록번호는 {}이고 이름은 김민지입니다.
신청인 주민등록번호⏎{}⏎확인 바랍니다.
미성년 자녀 주민번호 {} 등록이 안 돼요.
외국인 등록번호({})인데 한글 이름이 없습니다
----
{}이 제 주민등록번호인데 조회가 안 됩니다.
주민등록 번호 뒷자리까지 {} 입력했습니다.
세대원 박지훈 {} 추가 부탁드립니다.
주민번호가 {}로 잘못 등록되어 있어요.
등록증 번호 {}
""",
    ("en", "RRN"): """
My Korean resident registration number is {}.
RRN: {}
The form rejects the resident number {} every time.
Identity check fails for {} (RRN).
Alien registration number {} is not accepted.
My ARC number is {}, I moved to Seoul in May.
Please delete my resident registration number {} from the file.
Name: Kim Minji, RRN {}
Identity:⏎RRN {}⏎Thanks
The employee's resident registration no. {} was typed wrong.
I sent {} as my resident number by mistake.
----
Why do you need my RRN ({})?
Alien registration no.: {}
Her foreigner registration number {} has expired.
The resident ID {} belongs to my son.
KYC document shows {} as the resident number
""",
    ("ko", "IBAN"): """
해외 송금 IBAN은 {}입니다.
IBAN: {}
독일 계좌 {}로 환불해 주세요.
{} 계좌로 입금이 안 됩니다.
수취인 계좌({}) 확인 부탁드립니다.
유럽 지사 계좌번호 {}를 등록했습니다.
계좌 정보⏎{}⏎예금주 Müller
송금은 {}으로 부탁합니다
정산 계좌를 {}에서 변경하고 싶습니다.
SWIFT COBADEFFXXX / IBAN {}
{} 입력 시 유효하지 않다고 나옵니다.
----
환불 계좌: {}, 예금주 본인
현지 계좌가 {}인데 맞는지 봐주세요.
세금계산서에 {}가 잘못 찍혔습니다.
지급 요청 {}
입금 확인이 안 되는 IBAN: {}
""",
    ("en", "IBAN"): """
Please refund to IBAN {}.
IBAN: {}
Our bank account is {}, held in Euro.
{} is rejected as invalid.
The supplier's account ({}) changed.
Transfer the deposit to {} by Friday.
Bank details:⏎{}⏎Account holder: Anna Schmidt
I paid from {} on Monday
Direct debit from {} failed twice.
BIC COBADEFFXXX, IBAN {}
Replace {} with the new account, please.
----
Payout goes to {}; is that right?
We got a SEPA mandate for {} by mistake.
My IBAN {} has a typo on the invoice.
Account {}
Send it back to {} please
""",
    ("ko", "SECRET"): """
API 키는 {} 입니다.
{}로 호출하면 401이 납니다.
토큰: {}
설정 파일에 {} 넣었는데 인식이 안 됩니다.
실수로 {}를 깃허브에 올렸습니다. 폐기 부탁드려요.
로그입니다.⏎{}⏎확인 부탁드립니다.
키({})가 만료됐다고 합니다.
개발 환경에서 {} 사용 중입니다
기존 {} 대신 새 키를 발급해 주세요.
curl 호출 예시: {}
웹훅 설정에 {} 값을 넣으면 오류가 나요.
----
아래 값으로 인증 실패합니다: {}
{} 이 키 살아있나요?
스크린샷 대신 복사합니다. {}
배포 스크립트에서 {}를 읽습니다.
연동 키 {}
""",
    ("en", "SECRET"): """
Here is the key: {}
Calling with {} returns 401.
Token: {}
I put {} in the config and it is ignored.
I pushed {} to GitHub by mistake, please revoke.
Log:⏎{}⏎Any idea?
The credential ({}) seems expired.
We use {} on staging
Rotate {} and send us a new one.
Request: {}
Our webhook with {} fails since Monday.
----
Auth fails with: {}
Is {} still active?
Copying instead of a screenshot. {}
The deploy script reads {}, then stops.
Integration key {}
""",
}

VALUES = {
    "EMAIL": """
minji.kim@example.com
sales@acme.co.kr
j.doe+billing@mail.example.org
hong_gildong@naver.com
KIM.CS@HANMAIL.NET
a@b.io
support-team@sub.domain.example.co.uk
user1234567890@gmail.com
01012345678@sms.example.com
x_y-z%1@my-company.dev
lee.sujin@kakao.com
o'brien@example.ie
info@한빛상사.com
admin@daum.net
noreply@mg.shop-example.com
park99@nate.com
first.last@university.ac.kr
jürgen@example.de
test@xn--9t4b11yi5a.com
ceo@startup.ai
cs_center@yahoo.co.jp
q@example.museum
ops@10web.example
anna-maria@example.com.br
----
dev.null@example.net
jiwon2000@hotmail.com
billing@acme-corp.io
r.smith@nhs.uk
홍보팀@example.kr
m@x.co
user%domain@relay.example.org
choi.yuna@snu.ac.kr
TEAM@EXAMPLE.COM
a.b.c.d@e.f.g.example.com
contact@shop.store
yoon＠example.com
""",
    ("ko", "PHONE"): """
010-1234-5678
01098765432
010 2345 6789
010.3456.7890
+82 10-4567-8901
+821056789012
02-123-4567
0212345678
031-456-7890
(02) 555-1234
02)3456-7890
011-234-5678
070-8765-4321
0507-1234-5678
1588-1234
1661-5678
080-123-4567
０１０－１２３４－５６７８
010–2222–3333
+82-2-6789-0123
051 234 5678
064-712-3456
01623456789
82-10-3333-4444
010-12345678
+82 (0)10 9988 7766
----
010-9090-8080
01077778888
010 - 5555 - 6666
+82 32 123 4567
053-987-6543
1544-7788
0313456789
010)4321-8765
07012341234
017.345.6789
+1 415 555 0132
018-222-3333
""",
    ("en", "PHONE"): """
(415) 555-0132
415-555-0198
415.555.0177
415 555 0164
4155550132
+14155550132
+1 (212) 555-0147
1-800-555-0199
+1-646-555-0110
020 7946 0958
+44 20 7946 0123
07700 900123
07700900456
+447700900789
+49 30 901820
+33 1 70 18 99 00
+82 10-1234-5678
010-1234-5678
+81 3-1234-5678
+61 412 345 678
(202)555-0173
1 (303) 555-0188
+44 (0)161 496 0123
0161 496 0789
+91 98765 43210
00 44 20 7946 0321
----
(646) 555-0123
312-555-0142
7025550155
+15125550166
0117 496 0555
+44 7700 900321
+34 912 345 678
+39 06 1234 5678
617.555.0190
+353 1 234 5678
01012345678
1.888.555.0111
""",
    "CARD": """
4111 1111 1111 1111
4532-0151-2345-6789
4716294830157265
4908 1234 5670 9182
4024007111223342
4485-1298-7654-3219
5454 5454 5454 5454
5105105105105100
5333-1765-4321-0988
5524330188273640
2223 0031 2345 6783
378282246310005
3434 567890 12341
3714-496353-98431
3566002020360505
3528-1234-5678-9012
6011 1111 1111 1117
6500123456789017
6228-4800-1234-5671
9410 1234 5678 9010
9420987654321018
30569309025904
４５３２－０１５１－２３４５－６７８９
4659.4321.0987.6541
----
5590 1287 3465 0199
2712340987123408
349918273645500
6456-7891-2345-6703
9435-1234-8765-4309
3852 000002 3237
4571734928173645
5186–0019–2837–4654
5355 1234 0098 7616
4038112233445569
4970 1020 3040 5064
3745 556667 77884
""",
    "RRN": """
850315-1234566
9207082098121
780122-1103457
0109233120092
991130-2765404
680417-1011221
7312052456781
041016-4190878
880229-1065437
550803-2100099
9106125234561
860925-6345673
020315-7123456
951111-6876546
201105-3012345
211224-4567890
230107-3987654
881109 1234567
701001 - 2345671
６８０４１７－１０１１２２１
640229–1122334
830519-5678901
900711-1098765
770630-2233445
----
8503151234566
920708-2098121
010923-3120092
7801221103457
040229-4111222
220814-3334445
650505-1777888
5508032100099
910612-5234561
870302 2345678
991231-2000001
741016-6543210
""",
    "IBAN": """
DE89 3704 0044 0532 0130 00
DE44500105175407324931
GB82 WEST 1234 5698 7654 32
GB29NWBK60161331926819
FR14 2004 1010 0505 0001 3M02 606
FR7630006000011234567890189
NL91ABNA0417164300
NL39 RABO 0300 0652 64
ES91 2100 0418 4502 0005 1332
IT60X0542811101000000123456
CH93 0076 2011 6238 5295 7
AT611904300234573201
BE68 5390 0754 7034
SE4550000000058398257466
NO93 8601 1117 947
DK5000400440116243
FI21 1234 5600 0007 85
PL61109010140000071219812874
IE29 AIBK 9311 5212 3456 78
PT50000201231234567890154
SA03 8000 0000 6080 1016 7519
AE070331234567890123456
TR33 0006 1005 1978 6457 8413 26
CZ65-0800-0000-1920-0014-5399
----
DE45 1009 0000 1234 5678 90
GB77BARC20201530093459
FR1510096000301234567891234
NL20 INGB 0001 2345 67
ES6000491500051234567892
IT35 Y030 1503 2000 0000 3517 230
ch5604835012345678009
AT24 2011 1822 2121 9800
HU42117730161111101800000000
GR16 0110 1250 0000 0001 2300 695
LT121000011101001000
MT84MALT011000012345MTLCAST001S
""",
    # what is masked stands in «» where it is only a part
    "SECRET": """
sk~-proj-4fT9aLq2ZxW8mNc7RvB1yH6KdP3sJ0uE
sk~-ant-api03-Qw3rTy7uIoP9aSdF5gHjKlZx
sk~_live_51HxQ2eLkjT8vYwZ0aBcD3fG
AKIA~QW7ERTYU8IOPASDF
ghp~_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8
github~_pat_11ABCDEFG0hIjKlMnOpQrS_tUvWxYz0123456789
xoxb~-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx
AIza~SyD3f5G7h9J1k2L4m6N8p0Q2r4S6t8U0vWx
Authorization: Bearer «9f8e7d6c5b4a39281706f5e4d3c2b1a0»
Bearer «mF_9.B5f-4.1JqM.Kp7w-Zx2»
eyJ~hbGciOiJIUzI1NiJ9.eyJ~zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U
api_key = «4fd1c2b3a5968778695a4b3c2d1e0f99»
API_KEY="«Zx81-kPq0-77Lm-aa9B»"
"apiKey": "«b7Kq93LmP0xZ5tRw»"
client_secret=«Tq8~Q~zL4nV0kXyP2wR7sJ»
aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYZ39xKEY01»
-----BEGIN~ RSA PRIVATE KEY-----⏎MIIBOgIBAAJBAKj34Gkx⏎KUpRKfFLfRYC9AIKjbJT==⏎-----END~ RSA PRIVATE KEY-----
-----BEGIN~ OPENSSH PRIVATE KEY-----⏎b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==⏎-----END~ OPENSSH PRIVATE KEY-----
glpat~-Xk29ZqLm47RtYw81PbNc
npm~_a8K3mZ0qW5xT7yR2vB9nL4cJ6hG1fD0sE2pU
hf~_QwErTyUiOpAsDfGhJkLzXcVbNm123456
SG~.aB3dE5fG7hI9jK1lM3nO5p.qR7sT9uV1wX3yZ5aB7cD9eF1gH3iJ5kL7mN9oP1q
access_token: «7c9d1f0ab34e4c5f8d2e61a7b8c9d0e1»
postgres://app:«s3cr3tPw9»@db.example.com:5432/shop
----
sk~-Tz7Xv2Qm9Lk4Wp8Rn1Bc6Yd3Hs5Jf0Ga
ASIA~Z9Y8X7W6V5U4T3S2
gho~_z9Y8x7W6v5U4t3S2r1Q0p9O8n7M6l5K4j3I2
xoxp~-987654321098-987654321098-abcdef123456
rk~_test_4eC39HqLyjWDarjtT1zdp7dc
x-api-key: «e3b0c442-98fc-1c14-9afb-f4c8996fb924»
auth_token='«Jk8LmN2pQr5StU9v»'
password=«Tr0ub4dor&3x»
secret_key: «p9Lk-22Qz-Mn5X-0aWs»
-----BEGIN~ PRIVATE KEY-----⏎MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g⏎-----END~ PRIVATE KEY-----
Authorization: Basic «YWRtaW46czNjcjN0UGFzcw==»
pypi~-AgEIcHlwaS5vcmcCJDEyMzQ1Njc4LWFiY2QtZWYwMS0yMzQ1
""",
}

# Look-alikes that must stay. A block is a frame list, '====', a value list, each with its kept-back part.
LOOK_ALIKES = {
    "ko": (
        """
주문번호 {} 배송이 언제 되나요?
주문번호는 {}입니다.
주문 번호: {}
{} 주문 취소해 주세요.
주문({}) 환불 요청합니다.
예약번호 {}로 조회가 안 됩니다.
----
결제는 됐는데 주문번호 {}가 안 보여요.
접수번호 {} 진행 상황 문의드립니다.
====
2024031512345678
20240315-0001234
240315-3001234
29000123456789
10023456
1002345678
ORD-01012345678
S2403-15-88213
112-1234567-1234567
2403153001234
4111223344556677
01012345670
20240229123456
----
2025010198765432
250117-4002211
A-0101-2233
30211223344
4532015123456780
""",
        """
운송장번호 {} 조회가 안 됩니다.
송장번호: {}
택배 운송장 {}인데 멈춰 있어요.
CJ대한통운 {} 배송 조회 부탁드립니다.
등기번호 {} 도착 여부 확인 바랍니다.
----
송장 {}로 추적이 안 되네요.
운송장 번호는 {} 입니다
====
6091-1234-5678
609112345678
EE123456789KR
1Z999AA10123456784
420112345678
5501-2233-4455
6892 0112 3456 7
123456789012
9400111899223197428490
----
301234567890
RR987654321KR
5678-1234-9012
""",
        """
{} 기준으로 처리됐습니다.
총 금액은 {}이에요.
버전 {} 쓰고 있습니다.
서버 {}에서 오류가 납니다.
{} 값이 표시됩니다.
시리얼 {} 제품입니다.
모델명 {} 맞나요?
로그에 {} 라고 찍혀요.
----
화면에 {}이 나옵니다.
제품번호 {} 문의요.
====
2024-03-15
2024.03.15 14:30
2024-03-15T09:30:00+09:00
2024년 3월 15일 오후 2시
1,234,567원
₩12,345,678
123.456.7.8
192.168.0.101
10.0.0.1:8080
3.11.7-rc.2
550e8400-e29b-41d4-a716-446655440000
d41d8cd98f00b204e9800998ecf8427e
SN-2024-0101-5678
8801234567893
978-89-6626-123-4
1711234567890
1711234567
37.566535, 126.977969
SM-G998N
100-200-300
123-45-67890
2020-2024
E-4012
https://example.com/orders/4155550132
09:00-18:00
1.5%
03/15/2024 10:22
0.123456789
react@18.2.0
icon@2x.png
1920x1080
----
2025/01/02 03:04:05
2,000,000 KRW
172.16.254.1
6ba7b810-9dad-11d1-80b4-00c04fd430c8
v2.10.3
LG-2023-88-1010
8809876543210
1600-1
5,555,555
#48213
lodash@4.17.21
""",
        """
API 키를 재발급 받고 싶습니다. 오류 코드는 {} 입니다.
비밀번호: {} 라고 안내가 나옵니다.
토큰이 만료됐다고 {} 메시지가 나와요.
이메일 형식이 {} 이라 거절됩니다.
전화 인증이 {} 초 만에 끝나요.
카드 결제 {} 건이 실패했어요.
----
IBAN 형식 오류 {} 가 떠요.
주민등록번호 입력란에 {} 이라고 나옵니다.
====
401
E-2045
180
@example.com
필수 입력
YOUR_API_KEY
********
<api-key>
user@
3,500
INVALID_TOKEN
2024-03
task-management-system-upgrade-2024
000000-0000000
sk-
----
ERR_42
name@localhost
process.env.API_KEY
991399-1234567
12345
""",
    ),
    "en": (
        """
Order {} has not arrived.
My order number is {}.
Order no. {}
Please cancel order #{} today.
The order ({}) was charged but not confirmed.
Booking reference {} cannot be found.
Order ID: {}
----
Where is purchase order {} now?
Confirmation number {} was never mailed.
Regarding my order, number {}: it is late.
====
10023456
1002345678
4155550132
112-1234567-1234567
2024031512345678
ORD-4155550132
SO-2024-00123
4111223344556677
240315-3001234
2403153001234
SHOP-01012345678
29000123456789
W123456789
----
5005550199
20250117-0042
4532015123456780
PO-88-1234-5678
702-2233445-6677889
""",
        """
Tracking number {} shows no movement.
Tracking: {}
UPS says {} is out for delivery.
The parcel {} is lost.
FedEx tracking no. {} is not valid.
----
Can you trace {} for me?
The tracking code is {}
====
1Z999AA10123456784
9400111899223197428490
449044304137821
961207123456
EE123456789KR
RB123456785GB
6091-1234-5678
9405 5036 9930 0123 4567 84
JD014600003456789012
TBA123456789000
----
770123456789
LX123456789NL
4204 1234 5678 12
""",
        """
It worked until {}.
The total is {} including tax.
We run version {}.
The server at {} times out.
The log says {} and then stops.
Serial number {} is on the box.
Model {} will not charge.
It shows {} on the screen.
Case {} was closed without an answer.
----
The value {} is wrong.
Part number {} is missing from the kit.
====
2024-03-15
03/15/2024 10:22
2024-03-15T09:30:00+00:00
March 15, 2024
$1,234,567.89
€12.345.678,90
192.168.0.101
10.0.0.1:8080
2001:db8:85a3::8a2e:370:7334
3.11.7-rc.2
550e8400-e29b-41d4-a716-446655440000
d41d8cd98f00b204e9800998ecf8427e
da39a3ee5e6b4b0d3255bfef95601890afd80709
SN-2024-0101-5678
8801234567893
978-0-13-468599-1
1711234567890
1711234567
37.7749, -122.4194
SM-G998N
100-200-300
2020-2024
0x7ffeefbff5c8
https://example.com/orders/4155550132
09:00-18:00
1.5%
0.123456789
react@18.2.0
icon@2x.png
B07XJ8C8F5
FR-1234-AB-5678
12-3456789
----
2025/01/02 03:04:05
USD 2,000,000
172.16.254.1
6ba7b810-9dad-11d1-80b4-00c04fd430c8
v2.10.3
LG-2023-88-1010
01.02.2025 13:45
5,555,555
#48213
lodash@4.17.21
DE-2024-00012345
""",
        """
I need a new API key, the error code is {}.
The password: {} text is shown.
The token expired with {} as the message.
The email {} is refused as malformed.
The phone check ends after {} seconds.
The card payment of {} failed.
----
The IBAN field shows {} only.
The secret = {} in your docs, what goes there?
====
401
E-2045
180
@example.com
required
YOUR_API_KEY
********
<api-key>
user@
3,500
INVALID_TOKEN
task-management-system-upgrade-2024
000000-0000000
sk-
risk-assessment-2024-final
----
ERR_42
name@localhost
process.env.API_KEY
991399-1234567
12345
""",
    ),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A sentence and what must be masked in it: at most one datum."""

    language: str
    text: str
    type: str
    datum: str


def _lines(block: str, part: int) -> list[str]:
    lines = block.strip().split("\n----\n")[part].split("\n")
    return [line.replace("⏎", "\n") for line in lines]


def _crossed(frames: list[str], values: list[str], count: int) -> Iterator[tuple[str, str]]:
    """The first ``count`` pairs, all frames and all values in turn, none twice."""
    shifts = range(len(values))
    pairs = ((frame, values[(at + shift) % len(values)]) for shift in shifts for at, frame in enumerate(frames))
    return itertools.islice(pairs, count)


def _positive(language: str, kind: str, frame: str, value: str) -> Sample:
    if kind == "SECRET":
        value = value.replace("~Q~", "\0").replace("~", "").replace("\0", "~Q~")
    start, end = (value.index("«"), value.index("»")) if "«" in value else (0, len(value) + 1)
    datum = value[start + 1 : end] if "«" in value else value
    return Sample(language, frame.replace("{}", value.replace("«", "").replace("»", "")), kind, datum)


def samples(language: str, part: int) -> list[Sample]:
    """All of a language: ``part`` 0 was tuned on, 1 kept back. 160 and 60 a type, then the look-alikes."""
    made: list[Sample] = []
    for kind in TYPES:
        frames = _lines(FRAMES[language, kind], part)
        values = _lines(VALUES.get(kind) or VALUES[language, kind], part)
        made += [_positive(language, kind, *pair) for pair in _crossed(frames, values, (160, 60)[part])]
    for block in LOOK_ALIKES[language]:
        frames, values = (_lines(half, part) for half in block.split("\n====\n"))
        pairs = _crossed(frames, values, len(frames) * len(values))
        made += [Sample(language, frame.replace("{}", value), "", "") for frame, value in pairs]
    return made
