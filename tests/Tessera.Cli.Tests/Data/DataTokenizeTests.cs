using Tessera.Cli.Data.Shards;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Tests.Data;

public sealed class DataTokenizeTests(TinyModel files) : IDisposable
{
    private readonly CorpusFolder _folder = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Files_of_every_form_become_the_tokenizers_ids_at_any_number_of_threads(int threads)
    {
        string[] texts = _folder.Mixed();
        var settings = new ShardSettings { ShardTokens = 700, ValidationShare = 0.1, Threads = threads };
        var index = CorpusFolder.Builder(_folder.Corpus(), files.Tokenizer, _folder.At("out"), settings).Run();
        Assert.True(index.Train.Count > 4, $"{index.Train.Count} shards");
        using var shards = ShardFolder.Open(_folder.At("out"));
        var train = CorpusFolder.Documents(shards.Train);
        var held = CorpusFolder.Documents(shards.Validation);

        // Each split keeps the order of the files; together they are all documents, each once.
        var expected = texts.Select(text => files.Tokenizer.Encode(text, addSpecialTokens: false)).ToList();
        string[] Keys(IEnumerable<int[]> documents) => [.. documents.Select(ids => string.Join(',', ids))];
        string[] heldKeys = Keys(held);
        Assert.Equal(Keys(expected).Where(key => !heldKeys.Contains(key)), Keys(train));
        Assert.Equal(Keys(expected).Where(heldKeys.Contains), heldKeys);
        Assert.InRange(held.Count, 8, 40);
        Assert.Equal(texts.Length, index.Train.Concat(index.Validation).Sum(entry => entry.Documents));
        Assert.Equal(1, index.Empty);
        Assert.Equal(["a.jsonl", "b/deep.jsonl.gz", "c.txt", "d.txt.gz", "empty.txt"], index.Inputs.Select(input => input.Name));
        foreach (var shard in shards.Train)
        {
            shard.Verify();
            var last = shard.Range(shard.Header.Documents - 1);
            Assert.True(last.Start < settings.ShardTokens, "the document that fills a shard is its last");
        }

        if (threads > 1)
        {
            CorpusFolder.Builder(_folder.Corpus(), files.Tokenizer, _folder.At("one"), settings with { Threads = 1 }).Run();
            Assert.Equal(CorpusFolder.Contents(_folder.At("one")), CorpusFolder.Contents(_folder.At("out")));
        }
    }

    [Fact]
    public void A_tokenising_that_fails_anywhere_goes_on_without_repeating_whole_shards_and_ends_with_the_same_bytes()
    {
        _folder.Mixed();
        var settings = new ShardSettings { ShardTokens = 900, ValidationShare = 0.1, Threads = 2 };
        CorpusFolder.Builder(_folder.Corpus(), files.Tokenizer, _folder.At("whole"), settings).Run();
        int resumed = 0;
        foreach (int documents in (int[])[0, 1, 40, 100, 170, 199])
        {
            string target = _folder.At($"stopped-{documents}");
            var failing = CorpusFolder.Builder(new Failing(_folder.Corpus(), documents), files.Tokenizer, target, settings);
            Assert.Throws<IOException>(failing.Run);
            Assert.Empty(Directory.GetFiles(target, "*.tmp"));
            Assert.Contains("not finished", Assert.Throws<InvalidDataException>(() => ShardFolder.Open(target)).Message, StringComparison.Ordinal);

            // A process that was killed leaves the half of a shard as well.
            File.WriteAllText(Path.Combine(target, "train-00000.tokens.tmp"), "half");
            var finished = Directory.GetFiles(target, "*.tokens").ToDictionary(path => path, File.GetLastWriteTimeUtc);
            var again = CorpusFolder.Builder(_folder.Corpus(), files.Tokenizer, target, settings);
            again.Run();
            resumed = Math.Max(resumed, again.Resumed);
            Assert.All(finished, file => Assert.Equal(file.Value, File.GetLastWriteTimeUtc(file.Key)));
            File.Delete(Path.Combine(target, "train-00000.tokens.tmp"));
            Assert.Equal(CorpusFolder.Contents(_folder.At("whole")), CorpusFolder.Contents(target));
        }

        Assert.True(resumed >= 4, $"{resumed} shards at most were there already");
    }

    [Fact]
    public void A_complete_folder_is_left_alone_and_one_of_others_is_refused()
    {
        string input = _folder.Write("a.jsonl", CorpusFolder.Rows(CorpusFolder.Texts(30, 2)));
        string[] arguments = ["data", "tokenize", input, "--tokenizer", files.At("tokenizer"), "--out", _folder.At("out")];
        CliRun.Good(arguments);
        var before = CorpusFolder.Contents(_folder.At("out"));
        Assert.Contains("was complete already", CliRun.Good(arguments).Error);
        CliRun.Refused([.. arguments, "--end", "</s>"], "other settings", "out");
        _folder.Write("a.jsonl", CorpusFolder.Rows(CorpusFolder.Texts(31, 2)));
        CliRun.Refused(arguments, "other inputs");
        Assert.Equal(before, CorpusFolder.Contents(_folder.At("out")));
    }

    [Fact]
    public void Begin_and_end_tokens_stand_where_they_are_asked_for_and_the_field_is_read()
    {
        string input = _folder.Write("a.jsonl", "{\"text\": \"x\", \"body\": \"12\"}\n{\"body\": \"\"}\n{\"body\": \"3\"}\n");
        CliRun.Good("data", "tokenize", input, "--tokenizer", files.At("tokenizer"), "--field", "body", "--begin", "<s>", "--end", $"{files.End}",
            "--validation-share", "0", "--out", _folder.At("out"));
        using var shards = ShardFolder.Open(_folder.At("out"));
        int[] Expected(string text) => [files.Begin, .. files.Tokenizer.Encode(text, addSpecialTokens: false), files.End];
        Assert.Equal([Expected("12"), Expected("3")], CorpusFolder.Documents(shards.Train));
        Assert.Equal((files.Begin, files.End), (shards.Index.Begin, shards.Index.End));
        Assert.Equal(1, shards.Index.Empty);
        CliRun.Refused(["data", "tokenize", input, "--tokenizer", files.At("tokenizer"), "--begin", "<bos>", "--out", _folder.At("x")], "--begin <bos>", "no such token");
    }

    [Fact]
    public void A_text_falls_on_the_same_side_wherever_it_stands()
    {
        string[] texts = CorpusFolder.Texts(400, 3);
        HashSet<string> Held(string name, IEnumerable<string> rows)
        {
            _folder.Write($"{name}.jsonl", CorpusFolder.Rows(rows));
            CliRun.Good("data", "tokenize", _folder.At($"{name}.jsonl"), "--tokenizer", files.At("tokenizer"), "--validation-share", "0.25", "--out", _folder.At(name));
            using var shards = ShardFolder.Open(_folder.At(name));
            return [.. CorpusFolder.Documents(shards.Validation).Select(ids => files.Tokenizer.Decode(ids, skipSpecialTokens: false))];
        }

        var held = Held("one", texts);
        Assert.InRange(held.Count, 65, 135);
        Assert.Equal(held.Where(texts[200..].Contains).Order(StringComparer.Ordinal), Held("two", texts[200..].Reverse()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Bad_inputs_are_refused_by_file_and_place_and_leave_no_index()
    {
        string tokenizer = files.At("tokenizer");
        void Refused(string input, params string[] parts)
        {
            CliRun.Refused(["data", "tokenize", input, "--tokenizer", tokenizer, "--out", _folder.At("bad")], parts);
            Assert.False(File.Exists(_folder.At("bad/shards.json")));
            if (Directory.Exists(_folder.At("bad")))
            {
                Directory.Delete(_folder.At("bad"), recursive: true);
            }
        }

        Refused(_folder.At("none.txt"), "none.txt", "no such file");
        Refused(_folder.Write("a.jsonl", "{\"text\": \"a\"}\n\n{\"text\": 5}\n"), "a.jsonl: line 3", "no string field text");
        Refused(_folder.Write("b.jsonl", "{\"text\": \"a\"}\n{\n"), "b.jsonl: line 2 is not JSON");
        Refused(_folder.Write("c.jsonl", [.. "{\"text\": \""u8, 0xC3, .. "\"}"u8]), "c.jsonl: line 1 is not UTF-8");
        Refused(_folder.Write("d.jsonl", "{\"text\": \"\\ud800\"}"), "d.jsonl: line 1", "not valid Unicode");
        Refused(_folder.Write("e.txt", [.. "good<|endoftext|>ba"u8, 0xFF, .. "d"u8]), "e.txt: document 2 is not UTF-8");
        byte[] packed = File.ReadAllBytes(_folder.WritePacked("f.txt.gz", string.Join("<|endoftext|>", CorpusFolder.Texts(500, 1))));
        Refused(_folder.Write("f.txt.gz", packed[..(packed.Length / 2)]), "f.txt.gz", "gzip");
        packed[packed.Length / 2] ^= 0x55;
        Refused(_folder.Write("g.txt.gz", packed), "g.txt.gz", "gzip");
        Refused(_folder.Write("h.gz", "not packed at all"), "h.gz", "gzip");
        Directory.CreateDirectory(_folder.At("empty"));
        Refused(_folder.At("empty"), "empty", ".jsonl");
        CliRun.Refused(["data", "tokenize", _folder.At("a.jsonl"), "--tokenizer", tokenizer, "--out", _folder.At("bad"), "--shard-tokens", "0"], "--shard-tokens");
        CliRun.Refused(["data", "tokenize", _folder.At("a.jsonl"), "--tokenizer", tokenizer, "--out", _folder.At("bad"), "--validation-share", "1.5"], "--validation-share");
        CliRun.Refused(["data", "tokenize", _folder.Write("i.txt", "\n\n"), "--tokenizer", tokenizer, "--out", _folder.At("nothing")], "no text");
    }

    [Fact]
    public void A_full_disk_ends_with_one_sentence_and_what_was_finished_stays()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs the device /dev/full");
        _folder.Mixed();
        string[] arguments = ["data", "tokenize", _folder.At("in"), "--tokenizer", files.At("tokenizer"), "--shard-tokens", "900", "--out", _folder.At("out")];
        Directory.CreateDirectory(_folder.At("out"));
        File.CreateSymbolicLink(_folder.At("out/train-00002.tokens.tmp"), "/dev/full");
        var run = CliRun.Of(arguments);
        Assert.Equal(1, run.Code);
        Assert.EndsWith("train-00002.tokens: the disk is full.", run.Error.TrimEnd('\n'));
        Assert.True(File.Exists(_folder.At("out/train-00001.tokens")));
        Assert.Contains("2 shards were there already", CliRun.Good(arguments).Error);
        CliRun.Good("data", "inspect", _folder.At("out"));
    }

    [Fact]
    public void Inspect_shows_counts_and_text_and_finds_what_is_damaged()
    {
        string input = _folder.Write("a.txt", "first 1 2<|endoftext|>second \u0007 " + new string('9', 3000));
        string output = _folder.At("out");
        CliRun.Good("data", "tokenize", input, "--tokenizer", files.At("tokenizer"), "--validation-share", "0", "--out", output);
        string text = CliRun.Good("data", "inspect", output, "--tokenizer", files.At("tokenizer")).Output;
        Assert.Contains("\"first 1 2\"\n", text);
        Assert.Matches(@"train 1 \(\d+ tokens\): ""second \\u0007 9+"" …\n", text);
        Assert.Contains("all checksums match", text);
        var json = CliRun.Good("data", "inspect", output, "--json").Json();
        Assert.Equal(2, json.GetProperty("index").GetProperty("train").GetProperty("documents").GetInt64());
        Assert.True(json.GetProperty("verified").GetBoolean());

        string shard = Path.Combine(output, "train-00000.tokens");
        byte[] good = File.ReadAllBytes(shard);
        byte[] bad = [.. good];
        bad[130] ^= 1;
        File.WriteAllBytes(shard, bad);
        CliRun.Refused(["data", "inspect", output], "train-00000.tokens", "data checksum");
        Assert.Contains("tokens were not read", CliRun.Good("data", "inspect", output, "--quick").Output);
        File.WriteAllBytes(shard, good[..^8]);
        CliRun.Refused(["data", "inspect", output, "--quick"], "train-00000.tokens", "bytes");
        File.Delete(shard);
        CliRun.Refused(["data", "inspect", output], "train-00000.tokens", "no such file");
        CliRun.Refused(["data", "inspect", _folder.Root], "shards.json is missing");

        // Another tokenizer would read other words.
        File.WriteAllBytes(shard, good);
        CliRun.Good("tokenizer", "train", "--problems", "60", "--vocab-size", "270", "--out", _folder.At("other"));
        CliRun.Refused(["data", "inspect", output, "--tokenizer", _folder.At("other")], "out: tokenizer");
    }

    [Fact]
    public void The_bench_holds_batches_against_a_copy_of_the_same_bytes()
    {
        _folder.Mixed();
        CliRun.Good("data", "tokenize", _folder.At("in"), "--tokenizer", files.At("tokenizer"), "--out", _folder.At("out"));
        var results = CliRun.Good("bench", "data", _folder.At("out"), "--seconds", "0", "--json").Json().EnumerateArray().ToList();
        Assert.Equal(["data in order", "data packed"], results.Select(result => result.GetProperty("name").GetString()));
        Assert.All(results, result =>
        {
            Assert.Equal("MB/s", result.GetProperty("unit").GetString());
            Assert.True(result.GetProperty("value").GetDouble() > 0 && result.GetProperty("ceiling").GetDouble() > 0);
            Assert.Equal(3, result.GetProperty("runs").GetInt32());
        });
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A corpus whose disk goes away after some documents.</summary>
    private sealed class Failing(CorpusFiles corpus, int documents) : ICorpus
    {
        public IReadOnlyList<ShardInput> Inputs => corpus.Inputs;

        public IEnumerable<CorpusDocument> Read(CorpusPosition from)
        {
            int left = documents;
            foreach (var document in corpus.Read(from))
            {
                yield return left-- > 0 ? document : throw new IOException("the disk is gone");
            }
        }

        public string Text(CorpusDocument document) => corpus.Text(document);
    }
}
