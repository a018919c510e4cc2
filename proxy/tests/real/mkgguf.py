#!/usr/bin/env python3
"""Writes tiny models that a llama.cpp server loads: nothing is trained, nothing downloaded.

    mkgguf.py TEMPLATES FOLDER

TEMPLATES is llama.cpp's folder of chat templates; FOLDER gets one .gguf file a model:

    markov        says one sentence and stops; calls a tool when it is given tools; says
                  another sentence when it is given a tool's result
    markov-think  thinks before it answers
    markov-loop   never stops, and is slow enough to be left while it speaks

The vocabulary is the 256 bytes and the words of the sentences. The embedding is one-hot and
the output matrix a first-order Markov chain, so the next token follows from the last one
alone. Two attention heads look for one token anywhere in the context and put what they
found into a spare dimension each, where the output matrix takes it into account:

    <tools>          the template prints it when the request has tools
    <tool_response>  the template puts a tool's result into it

At temperature 0 the answers are always the same. Where a grammar forbids the sentence (a
JSON schema, the arguments of a call), the scores of single letters decide, and they lead
to the shortest text that the grammar takes.
"""

import pathlib
import sys

import gguf
import numpy as np

MARKS = ["<tool_call>", "</tool_call>", "<think>", "</think>", "<tools>", "<tool_response>"]
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# What the template tells a model to begin a call with.
CALL = '\n{"name": "'

# What a score is worth: the chain of a sentence against single letters.
SURE, LIKELY = 30.0, 20.0
NEVER = 400.0


def printable():
    """GPT-2's names for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in plain)
    names = {byte: chr(byte) for byte in plain}
    names.update((byte, chr(256 + place)) for place, byte in enumerate(others))
    return names


NAMES = printable()


class Vocabulary:
    """Tokens in the order of their numbers: the bytes first."""

    def __init__(self):
        self.tokens = [NAMES[byte] for byte in range(256)]
        self.kinds = [gguf.TokenType.NORMAL] * 256
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        for token in CONTROL:
            self._add(token, gguf.TokenType.CONTROL)
        for token in MARKS:
            self._add(token, gguf.TokenType.USER_DEFINED)
        # A tokeniser of this kind wants at least one merge.
        self.word("aa")

    def __len__(self):
        return len(self.tokens)

    def _add(self, token, kind):
        if token not in self.numbers:
            self.numbers[token] = len(self.tokens)
            self.tokens.append(token)
            self.kinds.append(kind)
        return self.numbers[token]

    def word(self, text):
        """The number of the token for a mark or a text."""
        if text in self.numbers and (text in MARKS or text in CONTROL):
            return self.numbers[text]
        token = "".join(NAMES[byte] for byte in text.encode())
        return self._add(token, gguf.TokenType.NORMAL)


class Chain:
    """Scores of each next token after each token, and after what the heads have found."""

    def __init__(self, vocabulary, width):
        self.vocabulary = vocabulary
        self.result_seen = len(vocabulary)
        self.tools_seen = len(vocabulary) + 1
        self.scores = np.zeros((len(vocabulary), width), np.float32)
        self._letters()

    def _letters(self):
        """What is said where only a grammar leads: short names, short numbers, closed texts."""
        prior = np.full(len(self.vocabulary), -12.0, np.float32)
        prior[32:127] = -2 - 0.2 * np.arange(95) / 95  # a slope: no two letters are equal
        wanted = {"}": 3, "]": 3, '"': 2.5, ",": 1, ":": 1, "3": 1, "1": 0, "e": 0, "0": -1}
        for letter, score in {**wanted, " ": -4, "\\": -9}.items():
            prior[ord(letter)] = score
        prior[self.vocabulary.word("<|endoftext|>")] = -6
        prior[self.vocabulary.word("<|im_end|>")] = 4
        self.scores[:, : len(self.vocabulary)] = prior[:, None]
        for letter in map(chr, [*range(65, 91), *range(97, 123)]):
            self.prefer(letter, '"', 8)
        for letter in "0123456789":
            self.prefer(letter, ",", 6.5)
            self.prefer(letter, "}", 6.7)
        for before, after, score in [
            ('"', "x", 6),
            ('"', ":", 5),
            ('"', "}", 4.7),
            ('"', ",", 4.5),
            (":", '"', 5),
            (" ", '"', 5),
            (" ", "x", 2),
        ]:
            self.prefer(before, after, score)

    def prefer(self, before, after, score):
        word = self.vocabulary.word
        self.scores[word(after), word(before)] = score

    def sentence(self, words, score):
        """One answer: `score` for beginning it, certainty for going on."""
        before = "\n"  # ends what the template puts before an answer
        for word in words:
            self.prefer(before, word, score)
            before, score = word, SURE

    def tools(self, first, then):
        """The sentence `first` unless there are tools; with them a call; with a result `then`."""
        word = self.vocabulary.word
        self.prefer("\n", "<tool_call>", (SURE + LIKELY) / 2)
        # From here on the server's grammar of a call leads.
        self.prefer("<tool_call>", CALL, SURE)
        self.prefer("}", "</tool_call>", LIKELY)
        self.prefer("</tool_call>", "<|im_end|>", SURE)
        self.sentence(then, LIKELY)
        self.prefer(then[-1], "<|im_end|>", SURE)
        self.scores[word(first[0]), self.tools_seen] = -60
        self.scores[word(first[0]), self.result_seen] = -60
        self.scores[word("<tool_call>"), self.result_seen] = -NEVER


def heads(vocabulary, chain, width):
    """Weights of an attention layer whose two heads find the two marks."""
    query, key, value, out = (np.zeros((width, width), np.float32) for _ in range(4))
    half = width // 2
    found = [("<tool_response>", chain.result_seen), ("<tools>", chain.tools_seen)]
    for head, (mark, dimension) in enumerate(found):
        token = vocabulary.word(mark)
        # The last rotary pair of the head: with a base of 1e12 position hardly turns it.
        still = (head + 1) * half - 1
        query[still, : len(vocabulary)] = 1
        key[still, token] = 8
        value[head * half, token] = 1 / np.sqrt(width)
        out[dimension, head * half] = 1
    return query, key, value, out


def write(path, template, answer, then=None, loop=False, layers=1, inner=8):
    """One model that says `answer`, and `then` when it is given a tool's result."""
    vocabulary = Vocabulary()
    for word in [*answer, CALL, *(then or [])]:
        vocabulary.word(word)
    width = (len(vocabulary) + 2 + 63) // 64 * 64
    chain = Chain(vocabulary, width)
    chain.sentence(answer, SURE)
    chain.prefer(answer[-1], answer[0] if loop else "<|im_end|>", SURE)
    if then:
        # Where a grammar forbids to stop.
        chain.prefer(answer[-1], "<tool_call>", LIKELY)
        chain.tools(answer, then)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(path.stem)
    writer.add_context_length(131072)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e12)
    writer.add_rope_dimension_count(width // 2)
    writer.add_vocab_size(len(vocabulary))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(["a a"])
    writer.add_bos_token_id(vocabulary.word("<|endoftext|>"))
    writer.add_eos_token_id(vocabulary.word("<|im_end|>"))
    writer.add_pad_token_id(vocabulary.word("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)

    embedding = np.zeros((len(vocabulary), width), np.float32)
    np.fill_diagonal(embedding, 1)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", chain.scores * 4)
    # Undoes the norm of a one-hot vector.
    writer.add_tensor("output_norm.weight", np.full(width, 1 / np.sqrt(width), np.float32))
    ones, empty = np.ones(width, np.float32), np.zeros((width, width), np.float32)
    for layer in range(layers):
        attention = heads(vocabulary, chain, width) if layer == 0 else [empty] * 4
        for name, tensor in [
            ("attn_norm", ones),
            ("ffn_norm", ones),
            *zip(["attn_q", "attn_k", "attn_v", "attn_output"], attention),
            ("ffn_gate", np.zeros((inner, width), np.float32)),
            ("ffn_up", np.zeros((inner, width), np.float32)),
            ("ffn_down", np.zeros((width, inner), np.float32)),
        ]:
            writer.add_tensor(f"blk.{layer}.{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    templates, folder = map(pathlib.Path, sys.argv[1:])
    with_tools = (templates / "Qwen-Qwen2.5-7B-Instruct.jinja").read_text()
    thinking = (templates / "Qwen-Qwen3-0.6B.jinja").read_text()
    write(
        folder / "markov.gguf",
        with_tools,
        ["Hello", " from", " a", " tiny", " but", " real", " model", ", done!"],
        then=["The tool", " said", " its", " piece", "; all done!"],
    )
    thoughts = ["<think>", "\nLet me", " think", " about", " this", "</think>"]
    write(folder / "markov-think.gguf", thinking, [*thoughts, "\n\nThe answer", " is 42."])
    # Layers of nothing but zeros, for the time that they take.
    slow = {"layers": 8, "inner": 2048}
    write(folder / "markov-loop.gguf", with_tools, ["tick ", "tock "], loop=True, **slow)


if __name__ == "__main__":
    main()
