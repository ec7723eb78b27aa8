/* Ticks and bars of MarketPrism in C: plain NATS (libnats) and MessagePack (msgpack-c). docs/foreign-clients.md says
 * what a client has to know.
 *
 *   ./subscribe live    URL SYMBOL [COUNT]   live ticks and bars, until COUNT messages or Ctrl-C
 *   ./subscribe history URL SYMBOL [FROM]    what the stream holds, from a sequence on, by direct gets
 *
 * Every message is a line of JSON on stdout; counts come on stderr at the end. NATS_USER and NATS_PASSWORD_FILE name who
 * asks: no password stands in a URL or a command.
 */
#include <inttypes.h>
#include <msgpack.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1 /* of ticks and bars; of another one a program must not guess */
#define LONGEST 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* messages of two subscriptions come on two threads */
static long long ticks, bars, left = -1;
static volatile sig_atomic_t ended;

static void die(const char *what, natsStatus status) {
  fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  exit(1);
}

/* A token of a subject: letters, digits, - and _ as they are, every other byte as =XX. */
static void token(const char *text, char *out, size_t size) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  size_t used = 0;
  if (*text == '\0') {
    snprintf(out, size, "=");
    return;
  }
  for (; *text != '\0' && used + 4 < size; text++) {
    used += (size_t)snprintf(out + used, size - used, strchr(plain, *text) ? "%c" : "=%02X", (unsigned char)*text);
  }
  out[used] = '\0';
}

/* One entry of a message, NULL where the field is absent. */
static const msgpack_object *field(const msgpack_object_map *map, const char *name) {
  size_t length = strlen(name);
  for (uint32_t n = 0; n < map->size; n++) {
    const msgpack_object *key = &map->ptr[n].key;
    if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == length && !memcmp(key->via.str.ptr, name, length)) {
      return &map->ptr[n].val;
    }
  }
  return NULL;
}

static void print_text(const char *text, size_t length) {
  putchar('"');
  for (size_t n = 0; n < length; n++) {
    unsigned char byte = (unsigned char)text[n];
    if (byte == '"' || byte == '\\') {
      printf("\\%c", byte);
    } else if (byte < 0x20) {
      printf("\\u%04x", byte);
    } else {
      putchar(byte);
    }
  }
  putchar('"');
}

static void print_value(const msgpack_object *value) {
  switch (value->type) {
    case MSGPACK_OBJECT_NIL:
      printf("null");
      break;
    case MSGPACK_OBJECT_BOOLEAN:
      printf(value->via.boolean ? "true" : "false");
      break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
      printf("%" PRIu64, value->via.u64);
      break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
      printf("%" PRId64, value->via.i64);
      break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
      printf("%.17g", value->via.f64);
      break;
    case MSGPACK_OBJECT_STR: /* prices and amounts too: exact decimals, to be read by a decimal library */
      print_text(value->via.str.ptr, value->via.str.size);
      break;
    case MSGPACK_OBJECT_ARRAY:
      putchar('[');
      for (uint32_t n = 0; n < value->via.array.size; n++) {
        if (n > 0) putchar(',');
        print_value(&value->via.array.ptr[n]);
      }
      putchar(']');
      break;
    case MSGPACK_OBJECT_MAP:
      putchar('{');
      for (uint32_t n = 0; n < value->via.map.size; n++) {
        if (n > 0) putchar(',');
        print_value(&value->via.map.ptr[n].key);
        putchar(':');
        print_value(&value->via.map.ptr[n].val);
      }
      putchar('}');
      break;
    default:
      printf("null");
  }
}

/* Read a message and print it; 0 where it is none that this program reads. */
static int print_message(const char *name, uint64_t number, const char *data, int length) {
  msgpack_unpacked unpacked;
  int good = 0;
  msgpack_unpacked_init(&unpacked);
  if (msgpack_unpack_next(&unpacked, data, (size_t)length, NULL) == MSGPACK_UNPACK_SUCCESS &&
      unpacked.data.type == MSGPACK_OBJECT_MAP) {
    const msgpack_object *version = field(&unpacked.data.via.map, "v");
    if (version != NULL && version->type == MSGPACK_OBJECT_POSITIVE_INTEGER && version->via.u64 == VERSION) {
      printf("{\"%s\":%" PRIu64 ",\"message\":", name, number);
      print_value(&unpacked.data);
      printf("}\n");
      good = 1;
    }
  }
  if (!good) fprintf(stderr, "expected a message of version %d, was %d other bytes\n", VERSION, length);
  msgpack_unpacked_destroy(&unpacked);
  return good;
}

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *counter) {
  (void)connection, (void)subscription;
  pthread_mutex_lock(&lock);
  if (left != 0 && print_message("n", (uint64_t)(ticks + bars + 1), natsMsg_GetData(message), natsMsg_GetDataLength(message))) {
    *(long long *)counter += 1;
    if (left > 0) left -= 1;
    if (left == 0) ended = 1;
  }
  pthread_mutex_unlock(&lock);
  natsMsg_Destroy(message);
}

static void on_signal(int number) {
  (void)number;
  ended = 1;
}

static natsConnection *connected(const char *url) {
  const char *user = getenv("NATS_USER"), *file = getenv("NATS_PASSWORD_FILE");
  char password[LONGEST] = "";
  natsOptions *options = NULL;
  natsConnection *connection = NULL;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, url);
  if (status == NATS_OK) status = natsOptions_SetMaxReconnect(options, -1);
  if (status == NATS_OK && user != NULL && file != NULL) {
    FILE *secret = fopen(file, "r");
    if (secret == NULL || fgets(password, sizeof password, secret) == NULL) {
      fprintf(stderr, "NATS_PASSWORD_FILE: expected a file with a password, was %s\n", file);
      exit(2);
    }
    fclose(secret);
    password[strcspn(password, "\r\n")] = '\0';
    status = natsOptions_SetUserInfo(options, user, password);
  }
  if (status == NATS_OK) status = natsConnection_Connect(&connection, options);
  natsOptions_Destroy(options);
  if (status != NATS_OK) die("connection", status);
  return connection;
}

static void live(natsConnection *connection, const char *name, const char *count) {
  natsSubscription *of_ticks = NULL, *of_bars = NULL;
  char subject[2 * LONGEST];
  natsStatus status;
  if (count != NULL) left = atoll(count);
  snprintf(subject, sizeof subject, "market.tick.%s", name);
  status = natsConnection_Subscribe(&of_ticks, connection, subject, on_message, &ticks);
  snprintf(subject, sizeof subject, "market.bar.*.%s", name);
  if (status == NATS_OK) status = natsConnection_Subscribe(&of_bars, connection, subject, on_message, &bars);
  if (status == NATS_OK) status = natsConnection_Flush(connection); /* the server has both subscriptions */
  if (status != NATS_OK) die("subscription", status);
  fprintf(stderr, "subscribed\n");
  while (!ended) nats_Sleep(20);
  natsSubscription_Unsubscribe(of_ticks);
  natsSubscription_Unsubscribe(of_bars);
  pthread_mutex_lock(&lock);
  fprintf(stderr, "ticks %lld, bars %lld\n", ticks, bars);
  pthread_mutex_unlock(&lock);
  natsSubscription_Destroy(of_ticks);
  natsSubscription_Destroy(of_bars);
}

static void history(natsConnection *connection, const char *name, const char *from) {
  char subject[2 * LONGEST];
  uint64_t next = from == NULL ? 1 : strtoull(from, NULL, 10);
  jsCtx *stream = NULL;
  natsStatus status = natsConnection_JetStream(&stream, connection, NULL);
  snprintf(subject, sizeof subject, "market.tick.%s", name);
  while (status == NATS_OK && !ended) {
    natsMsg *message = NULL;
    jsDirectGetMsgOptions wanted;
    jsDirectGetMsgOptions_Init(&wanted);
    wanted.Sequence = next;
    wanted.NextBySubject = subject;
    status = js_DirectGetMsg(&message, stream, "MARKET_TICKS", NULL, &wanted);
    if (status == NATS_OK) {
      next = natsMsg_GetSequence(message) + 1;
      ticks += print_message("stream_seq", next - 1, natsMsg_GetData(message), natsMsg_GetDataLength(message));
    }
    natsMsg_Destroy(message);
  }
  if (status != NATS_NOT_FOUND && status != NATS_OK) die("MARKET_TICKS", status);
  fprintf(stderr, "ticks %lld, go on at %" PRIu64 "\n", ticks, next);
  jsCtx_Destroy(stream);
}

int main(int argc, char **argv) {
  char name[LONGEST];
  natsConnection *connection;
  if (argc < 4 || (strcmp(argv[1], "live") != 0 && strcmp(argv[1], "history") != 0)) {
    fprintf(stderr, "usage: subscribe live URL SYMBOL [COUNT] | subscribe history URL SYMBOL [FROM]\n");
    return 2;
  }
  signal(SIGINT, on_signal);
  setvbuf(stdout, NULL, _IOLBF, 0);
  token(argv[3], name, sizeof name - 16);
  connection = connected(argv[2]);
  if (strcmp(argv[1], "live") == 0) {
    live(connection, name, argc > 4 ? argv[4] : NULL);
  } else {
    history(connection, name, argc > 4 ? argv[4] : NULL);
  }
  natsConnection_Destroy(connection);
  nats_Close();
  return 0;
}
