using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Alignment.FineTuning;
using Tessera.Cli.Data;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;
using Tessera.Models.Templates;
using Tessera.Models.Tests.Safetensors;
using Tessera.Models.Tests.Tokenizers;
using Tessera.Models.Tokenizers;
using Tessera.Puzzle.Search;
using Tessera.Puzzle.Tables;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Every reader of files from strangers, with sound files made here and, for templates, published ones where they are there.</summary>
internal static class FuzzTargets
{
    private const string Llama = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","bos_token_id":1,"eos_token_id":[2,3],"head_dim":8,"hidden_act":"silu","hidden_size":64,
        "intermediate_size":176,"num_attention_heads":8,"num_hidden_layers":4,"num_key_value_heads":2,"rms_norm_eps":1e-05,"max_position_embeddings":512,
        "rope_scaling":{"factor":8.0,"high_freq_factor":4.0,"low_freq_factor":1.0,"original_max_position_embeddings":128,"rope_type":"llama3"},
        "rope_theta":500000.0,"tie_word_embeddings":false,"torch_dtype":"float32","vocab_size":320}
        """;

    private const string DeciLm = """
        {"architectures":["DeciLMForCausalLM"],"model_type":"nemotron-nas","bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":64,
        "num_attention_heads":8,"num_hidden_layers":2,"rms_norm_eps":1e-05,"max_position_embeddings":512,"rope_theta":500000.0,"vocab_size":320,
        "torch_dtype":"bfloat16","block_configs":[
        {"attention":{"n_heads_in_group":4,"no_op":false,"replace_with_linear":false},"ffn":{"ffn_mult":2.5,"no_op":false,"replace_with_linear":false}},
        {"attention":{"n_heads_in_group":null,"no_op":true,"replace_with_linear":false},"ffn":{"ffn_mult":null,"no_op":true,"replace_with_linear":false}}]}
        """;

    private static readonly string[] TokenizerFields =
    [
        "the document", "version", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model", "truncation", "padding", "pieces",
        "trainer_spec", "denormalizer_spec", "tokens", "max_token_length", "line ", "lines",
    ];

    private static readonly string[] ConfigurationFields =
    [
        "the file", "architectures", "model_type", "token_id", "head_dim", "hidden", "intermediate_size", "num_", "rms_norm_eps", "max_position", "rope", "tie_word",
        "torch_dtype", "dtype", "vocab_size", "block_configs", "attention", "ffn", "bias", "sliding", "parameters", "layer",
    ];

    /// <summary>The targets of one of the kinds safetensors, config, tokenizer, GGUF, templates, rows, shards.</summary>
    public static IReadOnlyList<FuzzTarget> Of(string kind, TinyModel files) => kind switch
    {
        "gguf" => [Gguf(files), GgufPieces()],
        "safetensors" => [Safetensors(), Index()],
        "config" => [Configuration(), Tables()],
        "tokenizer" => [TokenizerFile(), SentencePieces(), ScoredTokens(), Ranks()],
        "templates" => [Template(), TokenizerConfiguration()],
        "shards" => ShardTargets.Of(),
        "rows" => [TextRows(), ChatRows(), Strings(), Ids(), TemplateCases()],
        _ => throw new ArgumentException(kind),
    };

    private static FuzzTarget Safetensors()
    {
        string entries = string.Join(',', SafetensorsBytes.Entry("a.b", "F32", "2,1", "0,8"), SafetensorsBytes.Entry("\\u00e9", "BF16", "3", "8,14"), SafetensorsBytes.Entry("s", "U8", "", "14,15"));
        byte[][] originals =
        [
            SafetensorsBytes.File($"{{\"__metadata__\":{{\"format\":\"pt\",\"c\":\"a.b\"}},{entries}}}", 15),
            SafetensorsBytes.File(SafetensorsBytes.PublishedHeader, 16),
            SafetensorsBytes.File($"{{{string.Join(',', Enumerable.Range(0, 40).Select(i => SafetensorsBytes.Entry($"model.layers.{i}.w", "F16", "4,8", $"{64 * i},{64 * (i + 1)}")))}}}", 2560),
        ];
        string[] fields = ["header", "tensor", "'", "__metadata__", "file", "bytes", "offset", "shape"];
        return new FuzzTarget("safetensors", "model.safetensors", originals, ReadWeights, fields, [ByteMutator.Apply, FormatMutators.SafetensorsHeader, FormatMutators.SafetensorsHeader]);
    }

    private static unsafe void ReadWeights(string path)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        foreach (SafetensorsFile file in checkpoint.Files)
        {
            foreach (SafetensorsTensor tensor in file.Tensors)
            {
                // Every byte is touched: one outside of the file would end the process.
                byte* data = (byte*)file.Address(tensor.Name);
                int sum = 0;
                for (long i = 0; i < tensor.Bytes; i++)
                {
                    sum += data[i];
                }

                Assert.True(sum >= 0);
            }
        }
    }

    private static FuzzTarget Index() => new(
        "safetensors index", "model.safetensors.index.json",
        ["""{"metadata":{"total_size":16},"weight_map":{"test":"model-00001.safetensors"}}"""u8.ToArray()],
        path =>
        {
            File.WriteAllBytes(Path.Combine(Path.GetDirectoryName(path)!, "model-00001.safetensors"), SafetensorsBytes.File(SafetensorsBytes.PublishedHeader, 16));
            ReadWeights(path);
        },
        ["weight_map", "metadata", "the file", "index", "shard", "'", "tensor"], [ByteMutator.Apply, JsonMutator.Apply]);

    private static FuzzTarget Gguf(TinyModel files)
    {
        var originals = new List<byte[]>();
        foreach ((string model, string type) in ((string, string)[])[(files.Plain, "f32"), (files.Plain, "q4_0"), (files.Mixed, "q8_0")])
        {
            string path = files.At($"fuzz-{Path.GetFileName(model)}-{type}.gguf");
            CliRun.Good("export", model, "--format", "gguf", "--dtype", type, "--out", path);
            originals.Add(File.ReadAllBytes(path));
        }

        return new FuzzTarget(
            "gguf", "model.gguf", originals,
            path =>
            {
                using (var model = ModelFolder.Load(path))
                {
                    Assert.True(model.Configuration.ParameterCount > 0);
                }

                if (ModelFolder.LoadTokenizer(path) is { } tokenizer)
                {
                    UseTokenizer(tokenizer);
                }

                Assert.Null(ChatFormat.Load(path));
            },
            ["metadata", "tensor", "value of", "key", "version", "magic", "GGUF", "tokenizer.ggml", "'", "llama.", "deci.", "general.", "tessera.", "num_attention_heads", "hidden_size"],
            [ByteMutator.Apply, ByteMutator.Apply, FormatMutators.GgufHeader]);
    }

    private static FuzzTarget GgufPieces()
    {
        using var folder = new ScratchFolder();
        var pieces = new SentencePieceBytes().Pieces;
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", "llama");
        metadata.Add("tokenizer.ggml.model", "llama");
        metadata.Add("tokenizer.ggml.tokens", [.. pieces.Select(piece => piece.Text)]);
        metadata.Add("tokenizer.ggml.scores", [.. pieces.Select(piece => piece.Score)]);
        metadata.Add("tokenizer.ggml.token_type", [.. pieces.Select(piece => (int)piece.Type)]);
        metadata.Add("tokenizer.ggml.bos_token_id", 1);
        metadata.Add("tokenizer.ggml.add_space_prefix", true);
        string path = Path.Combine(folder.Path, "pieces.gguf");
        GgufWriter.Write(path, metadata, []);
        return new FuzzTarget(
            "gguf pieces", "pieces.gguf", [File.ReadAllBytes(path)], file =>
            {
                // Without its list of tokens a file says nothing of a tokenizer.
                if (ModelFolder.LoadTokenizer(file) is { } tokenizer)
                {
                    UseTokenizer(tokenizer);
                }
            },

            ["metadata", "tensor", "value of", "key", "version", "magic", "GGUF", "tokenizer.ggml"], [ByteMutator.Apply, FormatMutators.GgufHeader]);
    }

    private static FuzzTarget Configuration() => new(
        "config", "config.json", [Encoding.UTF8.GetBytes(Llama), Encoding.UTF8.GetBytes(DeciLm)],
        path =>
        {
            ModelConfiguration model = ModelFolder.ReadConfiguration(path);
            Assert.InRange(model.ParameterCount, 1, long.MaxValue);
            Assert.InRange(model.KvBytesPerToken(DType.F32), 0, long.MaxValue);
            Assert.True(double.IsFinite(model.FlopsPerToken(model.MaxPositions)));
        },
        ConfigurationFields, [ByteMutator.Apply, JsonMutator.Apply, JsonMutator.Apply]);

    private static FuzzTarget Tables()
    {
        string page = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "docs", "search.md"));
        int start = page.IndexOf("```json", StringComparison.Ordinal) + "```json".Length;
        byte[] example = Encoding.UTF8.GetBytes(page[start..page.IndexOf("```", start, StringComparison.Ordinal)]);
        return new FuzzTarget(
            "search tables", "tables.json", [example],
            path =>
            {
                SearchTables tables = SearchTablesReader.Read(path);
                var problem = new TableProblem(tables, [tables.Loads[0]], VariantFilter.None);
                Assert.True(double.IsFinite(problem.Parent(tables.Loads[0]).MemoryBytes + problem.Parent(tables.Loads[0]).RunSeconds));
                Assert.True(double.IsFinite(ExactSolver.Solve(problem.Build([], tables.Margin)).Score));
            },
            ["the file", "version", "model", "score", "shape", "base", "mixers", "feed_forwards", "loads", "layers", "targets", "pin", "exclude", "margin", "unknown"],
            [ByteMutator.Apply, JsonMutator.Apply, JsonMutator.Apply]);
    }

    private static FuzzTarget TokenizerFile()
    {
        using var folder = new ScratchFolder();
        string trained = Path.Combine(folder.Path, "tokenizer.json");
        TokenizerTrainer.Train(["the cat sat on the mat, the end of the 12 cats"], trained, new TokenizerTrainerOptions { VocabularySize = 290, SpecialTokens = ["<s>", "</s>"] });
        string rich = new TokenizerJson
        {
            AddedTokens = $"[{TokenizerJson.Added(9, "<s>", ", \"special\": true, \"lstrip\": true")}, {TokenizerJson.Added(10, "tok", ", \"single_word\": true, \"normalized\": true")}]",
            Normalizer = """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}""",
            PreTokenizer = """{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "Isolated", "invert": false}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}]}""",
            PostProcessor = """{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}""",
            Decoder = """{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}""",
            Model = """{"type": "BPE", "unk_token": "a", "byte_fallback": true, "fuse_unk": true, "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3, "▁a": 4, "<0x41>": 5}, "merges": [["a", "b"], "▁ a"]}""",
        }.ToString();
        byte[][] originals = [File.ReadAllBytes(trained), Encoding.UTF8.GetBytes(rich), Encoding.UTF8.GetBytes(new TokenizerJson().ToString())];
        return new FuzzTarget("tokenizer json", "tokenizer.json", originals, UseTokenizer, TokenizerFields, [ByteMutator.Apply, JsonMutator.Apply, JsonMutator.Apply]);
    }

    private static FuzzTarget SentencePieces()
    {
        var plain = new SentencePieceBytes();
        byte[][] originals =
        [
            plain.ToBytes(),
            (plain with
            {
                RemoveExtraWhitespaces = true,
                CharacterMap = CharacterMapBytes.Compile(("ﬁ", "fi"), ("\u3000", " "), ("a\u0301", "á")),
                Pieces = [.. plain.Pieces, new SentencePiece("<b>", 0, SentencePieceType.UserDefined)],
            }).ToBytes(),
        ];
        return new FuzzTarget("tokenizer pieces", "tokenizer.model", originals, UseTokenizer, TokenizerFields, [ByteMutator.Apply, FormatMutators.Protobuf, FormatMutators.Protobuf]);
    }

    private static FuzzTarget ScoredTokens()
    {
        using var bytes = new MemoryStream();
        bytes.Write(BitConverter.GetBytes(8));
        foreach (SentencePiece piece in new SentencePieceBytes().Pieces)
        {
            byte[] text = Encoding.UTF8.GetBytes(piece.Text);
            bytes.Write(BitConverter.GetBytes(piece.Score));
            bytes.Write(BitConverter.GetBytes(text.Length));
            bytes.Write(text);
        }

        return new FuzzTarget("tokenizer scores", "tokenizer.bin", [bytes.ToArray()], UseTokenizer, TokenizerFields, [ByteMutator.Apply]);
    }

    // No small file of ranks is accepted, so the reader's checks are met by a refusal in the end.
    private static FuzzTarget Ranks()
    {
        string lines = string.Concat(Enumerable.Range(0, 300).Select(i => $"{Convert.ToBase64String(i < 256 ? [(byte)i] : [(byte)i, (byte)(i / 2)])} {i}\n"));
        return new FuzzTarget(
            "tokenizer ranks", "tokenizer.model", [Encoding.ASCII.GetBytes(lines)],
            path =>
            {
                try
                {
                    UseTokenizer(path);
                }
                catch (InvalidDataException problem) when (problem.Message.Contains("300 ranks", StringComparison.Ordinal))
                {
                }
            },
            TokenizerFields, [ByteMutator.Apply]);
    }

    private static void UseTokenizer(string path) => UseTokenizer(Tokenizer.Load(path));

    private static void UseTokenizer(Tokenizer tokenizer)
    {
        var encoder = new StreamingEncoder(tokenizer, addSpecialTokens: true) { PartLength = 8 };
        foreach (string text in (string[])["", "the cat  sat\non 12 mats: ab <s> tok\u00E9 \U0001F600 ﬁ a\u0301\u3000x", new string('a', 300), "\uD800 <b>"])
        {
            int[] ids = tokenizer.Encode(text, addSpecialTokens: true);
            Assert.All(ids, id => Assert.InRange(id, 0, Math.Max(0, tokenizer.VocabularySize - 1)));
            string decoded = tokenizer.Decode(ids, skipSpecialTokens: true);
            Assert.InRange(decoded.Length, 0, 1 << 20);
            var streamed = new List<int>();
            encoder.Append(text, streamed);
            encoder.Finish(streamed);
            Assert.Equal(ids, streamed);
        }
    }

    private static FuzzTarget Template()
    {
        var originals = new List<byte[]>
        {
            """
            {%- set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start|>' + message['role'] + '<|end|>\n\n' + message['content'] | trim %}
            {% if loop.index0 == 0 %}{{ bos_token }}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}
            """u8.ToArray(),
            """
            {% macro show(items, sep=', ') %}{% for k, v in items.items() | sort %}{{ k ~ '=' ~ v | tojson }}{{ sep if not loop.last }}{% endfor %}{% endmacro %}
            {% set ns = namespace(count=0) %}{% for m in messages if m.role != 'system' %}{% set ns.count = ns.count + 1 %}{{ '%05.2f' % ns.count }} {{ show(m) }}
            {% if m.content is string and 'a' in m.content %}{{ m.content[::-1].split(' ') | map('upper') | join('-') }}{% elif m.content is none %}none{% else %}{{ raise_exception('no') }}{% endif %}{% endfor %}
            """u8.ToArray(),
        };
        string published = Path.Combine(SharedData.RepositoryRoot, "..", "shared", "data", "chat_templates", "templates");
        if (Directory.Exists(published))
        {
            originals.AddRange(Directory.GetFiles(published, "*.jinja").Order(StringComparer.Ordinal).Take(12).Select(File.ReadAllBytes));
        }

        return new FuzzTarget(
            "templates", "chat_template.jinja", originals,
            path =>
            {
                var format = ChatFormat.Load(path)!;
                try
                {
                    Assert.NotNull(format.Render(Messages(), new ChatRenderOptions { AddGenerationPrompt = true, Now = DateTime.UnixEpoch }));
                }
                catch (TemplateException problem) when (originals.Any(original => original.AsSpan().SequenceEqual(File.ReadAllBytes(path))))
                {
                    // Some published templates refuse these messages; that is an answer, too.
                    Assert.StartsWith(path, problem.Message, StringComparison.Ordinal);
                }
            },
            ["line ", "the file", "template"], [ByteMutator.Apply, TemplateMutator.Apply, TemplateMutator.Apply]);
    }

    private static IReadOnlyList<JsonObject> Messages() =>
    [
        new() { ["role"] = "system", ["content"] = "detailed thinking on" }, new() { ["role"] = "user", ["content"] = " a b <think> \u00E9" },
        new() { ["role"] = "assistant", ["content"] = "<think>\nx\n</think>\n\nab" }, new() { ["role"] = "user", ["content"] = "more" },
    ];

    private static FuzzTarget TokenizerConfiguration() => new(
        "tokenizer_config", "tokenizer_config.json",
        ["""{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "chat_template": [{"name": "default", "template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"}, {"name": "tool_use", "template": "x"}]}"""u8.ToArray()],
        path =>
        {
            ChatFormat? format = ChatFormat.Load(Path.GetDirectoryName(path)!);
            Assert.InRange(format?.Render(Messages(), new ChatRenderOptions { Now = DateTime.UnixEpoch }).Length ?? 0, 0, 1 << 25);
        },
        ["the document", "the file", "token", "chat_template", "line "], [ByteMutator.Apply, JsonMutator.Apply]);

    private static FuzzTarget TextRows() => Rows("text", path => Assert.All(TextFiles.ReadDocuments([path]), Assert.NotNull),
        "{\"text\": \"one two\"}\n{\"text\": \"three\", \"source\": 3}\n\n{\"text\": \"\\ud83d\\ude80\"}");

    private static FuzzTarget ChatRows() => Rows("chat", path => Assert.All(ChatRow.Read(path), row => Assert.NotEmpty(row.Messages)),
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n"
        + "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"assistant\", \"content\": null, \"tool_calls\": []}]}");

    private static FuzzTarget Strings() => Rows("strings", path => Tokenize(path, decode: false), "\"a b\"\n\"\\u00e9\"\n\"<s>ab\"");

    private static FuzzTarget Ids() => Rows("ids", path => Tokenize(path, decode: true), "[0, 1, 2]\n[]\n[2, 2]");

    private static FuzzTarget TemplateCases()
    {
        ChatFormat format = ChatFormat.Of(ChatTemplate.Parse("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ tools | tojson }}", "cases"));
        return Rows("template cases", path => TemplateBatch.Render(format, path, Stream.Null),
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"now\": \"2025-01-02T03:04:05\"}\n{\"messages\": [], \"tools\": [{\"name\": \"f\"}], \"x\": {\"y\": [1, 2.5]}}");
    }

    private static FuzzTarget Rows(string name, Action<string> read, string lines) => new(
        "rows " + name, "rows.jsonl", [Encoding.UTF8.GetBytes(lines)], read, ["line ", "there is no text", "byte "], [ByteMutator.Apply, FormatMutators.JsonLines, FormatMutators.JsonLines]);

    private static void Tokenize(string path, bool decode) =>
        new TokenizeBatch(Small.Value, path, addSpecial: false, decode, threads: 1).Run(Stream.Null);

    private static readonly Lazy<Tokenizer> Small = new(() => new SentencePieceBytes().Load());
}
