using Tessera.Alignment.FineTuning;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;
using Tessera.TestSupport;
using Tessera.Training.Data;

namespace Tessera.Alignment.Tests.FineTuning;

public sealed class ChatEncoderTests
{
    private const int EndOfTurn = 2;
    private readonly Tokenizer _tokenizer = Tokenizer.Load(Path.Combine(BundledModel, "tokenizer.json"));

    private static string BundledModel => Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-4.8m");

    private static string BundledTemplate => Path.Combine(SharedData.RepositoryRoot, "recipes", "chat", "chat_template.jinja");

    [Fact]
    public void Only_the_answer_and_the_end_of_its_turn_are_learned()
    {
        var row = Row("""{"messages":[{"role":"system","content":"detailed thinking off"},{"role":"user","content":"4+5"},{"role":"assistant","content":"9"}]}""");
        var document = Encoder().Encode(row);

        Assert.Equal("<s><|system|>detailed thinking off<|user|>4+5<|assistant|>9</s>", _tokenizer.Decode(document.Ids, skipSpecialTokens: false));
        Assert.Equal("9</s>", Learned(document));
    }

    [Fact]
    public void Reasoning_is_learned_with_both_tags()
    {
        var row = PairedConversations.Row(Encoder().Format.Template, new Problem("add", 1, "4+5", "4+5+0=09;", "9"), ThinkingMode.On);
        Assert.Equal("<think>4+5+0=09;</think>9</s>", Learned(Encoder().Encode(row)));
    }

    [Fact]
    public void Learned_tokens_begin_where_a_prompt_for_generation_ends()
    {
        var source = new ProblemSource(ProblemSplit.Training, 3);
        var prompts = new Evaluation.Problems.ProblemPrompts(_tokenizer, [], ChatFormat.Load(BundledModel, BundledTemplate));
        for (int i = 0; i < 60; i++)
        {
            var problem = source.Create(i);
            foreach (var mode in Enum.GetValues<ThinkingMode>())
            {
                var document = Encoder().Encode(PairedConversations.Row(Encoder().Format.Template, problem, mode));
                int[] prompt = prompts.Encode(problem, mode == ThinkingMode.On ? Evaluation.Problems.PromptMode.On : Evaluation.Problems.PromptMode.Off);
                Assert.Equal(prompt, document.Ids[..prompt.Length]);
                Assert.All(document.Weights[..prompt.Length], weight => Assert.Equal(0, weight));
                Assert.All(document.Weights[prompt.Length..], weight => Assert.Equal(1, weight));
                Assert.Equal(EndOfTurn, document.Ids[^1]);
                string reply = _tokenizer.Decode(document.Ids.AsSpan()[prompt.Length..^1], skipSpecialTokens: false);
                Assert.True(ThinkingFormat.IsObeyed(reply, mode));
                Assert.Equal(problem.Answer, ThinkingFormat.Answer(reply));
            }
        }
    }

    [Fact]
    public void An_earlier_turn_whose_reasoning_the_template_drops_is_not_learned_and_one_without_reasoning_is()
    {
        var dropped = Row("""{"messages":[{"role":"user","content":"1+1"},{"role":"assistant","content":"<think>a</think>2"},{"role":"user","content":"2+2"},{"role":"assistant","content":"4"}]}""");
        Assert.Equal("4</s>", Learned(Encoder().Encode(dropped)));
        var kept = Row("""{"messages":[{"role":"user","content":"1+1"},{"role":"assistant","content":"2"},{"role":"user","content":"2+2"},{"role":"assistant","content":"4"}]}""");
        Assert.Equal("2</s>4</s>", Learned(Encoder().Encode(kept)));
    }

    [Fact]
    public void What_a_template_writes_behind_the_end_of_a_turn_is_not_learned()
    {
        var encoder = Encoder(
            "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}</s> \n {% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}<|assistant|>{% endif %}");
        var row = Row("""{"messages":[{"role":"user","content":"1"},{"role":"assistant","content":"2"},{"role":"user","content":"3"},{"role":"assistant","content":"4"}]}""");
        Assert.Equal("2</s>4</s>", Learned(encoder.Encode(row)));
    }

    [Fact]
    public void A_template_with_a_variable_for_the_switch_is_taught_by_that_variable()
    {
        const string Template = "{% if enable_thinking is false %}/{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
            + "{% if add_generation_prompt %}[assistant]{% endif %}";
        var encoder = Encoder(Template);
        var problem = new Problem("add", 1, "4+5", "4+5+0=09;", "9");
        var prompts = new Evaluation.Problems.ProblemPrompts(_tokenizer, [], encoder.Format);
        foreach (var (mode, text) in ((ThinkingMode, string)[])[(ThinkingMode.On, "[user]4+5[assistant]"), (ThinkingMode.Off, "/[user]4+5[assistant]")])
        {
            int[] asked = prompts.Encode(problem, prompts.ModeOf(mode));
            Assert.Equal(text, _tokenizer.Decode(asked, skipSpecialTokens: false));
            Assert.Equal(asked, encoder.Encode(PairedConversations.Row(encoder.Format.Template, problem, mode)).Ids[..asked.Length]);
        }
    }

    [Fact]
    public void A_prompt_that_has_opened_the_reasoning_counts_for_the_verdict()
    {
        var prompts = new Evaluation.Problems.ProblemPrompts(_tokenizer, [], null);
        int[] Ids(string text) => _tokenizer.Encode(text, addSpecialTokens: false);
        Assert.Equal("<think>4+5=9</think>9", prompts.Completion(Ids("<|assistant|><think>\n"), "4+5=9</think>9"));
        Assert.Equal("9", prompts.Completion(Ids("<|assistant|>"), "9"));
        Assert.Equal("9", prompts.Completion(Ids("<think></think>"), "9"));
    }

    [Fact]
    public void A_template_that_rewrites_the_answer_leaves_nothing_to_learn_and_says_so()
    {
        var encoder = Encoder("{{ bos_token }}{% for m in messages %}{{ loop.length }}{{ m.content }}{% endfor %}");
        var row = Row("""{"messages":[{"role":"user","content":"1"},{"role":"assistant","content":"2"}]}""");
        var error = Assert.Throws<InvalidDataException>(() => encoder.Encode(row));
        Assert.Contains("rows.jsonl: line 7", error.Message, StringComparison.Ordinal);
        Assert.Contains("nothing to learn", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[1]", "'messages' is missing")]
    [InlineData("{", "not a JSON object")]
    [InlineData("{\"messages\":[]}", "holds 0 turns")]
    [InlineData("{\"messages\":[{\"content\":\"x\"}]}", "messages[0]: expected an object with a role")]
    [InlineData("{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", "role is 'robot'")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":5}]}", "messages[0]: content is not text")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "no turn of the assistant")]
    public void Bad_rows_are_refused_with_place_and_field(string json, string part)
    {
        var error = Assert.Throws<InvalidDataException>(() => Row(json));
        Assert.StartsWith("rows.jsonl: line 7", error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_problem_comes_in_both_modes_one_behind_the_other()
    {
        var source = new PairedConversations(
            Encoder(), new ProblemSource(ProblemSplit.Training, 5), [ThinkingMode.On, ThinkingMode.Off]);
        for (int i = 0; i < 20; i += 2)
        {
            string on = _tokenizer.Decode(source.Get(i).Ids, skipSpecialTokens: false);
            string off = _tokenizer.Decode(source.Get(i + 1).Ids, skipSpecialTokens: false);
            Assert.Contains("thinking on<|user|>", on, StringComparison.Ordinal);
            Assert.Equal(Question(on), Question(off));
            Assert.Contains("thinking off<|user|>", off, StringComparison.Ordinal);
        }

        static string Question(string text) => text[text.IndexOf("<|user|>", StringComparison.Ordinal)..text.IndexOf("<|assistant|>", StringComparison.Ordinal)];
    }

    [Fact]
    public void A_file_is_visited_whole_in_every_pass_and_too_long_rows_are_counted()
    {
        ChatRow[] rows =
        [
            .. Enumerable.Range(1, 9).Select(i => Row($$"""{"messages":[{"role":"user","content":"{{i}}"},{"role":"assistant","content":"{{i}}"}]}""")),
            Row($$"""{"messages":[{"role":"user","content":"{{new string('1', 200)}}"},{"role":"assistant","content":"1"}]}"""),
        ];
        var documents = new ChatDocuments(Encoder(), rows, 64, 1);
        Assert.Equal((9, 1), (documents.Count, documents.TooLong));
        string[] Pass(int pass) => [.. Enumerable.Range(9 * pass, 9).Select(i => _tokenizer.Decode(documents.Get(i).Ids, true))];
        Assert.Equal(Pass(0).Order(), Pass(1).Order());
        Assert.NotEqual(Pass(0), Pass(1));
        Assert.Throws<InvalidDataException>(() => new ChatDocuments(Encoder(), rows[9..], 64, 1));
    }

    private static ChatRow Row(string json) => ChatRow.Parse(json, "rows.jsonl: line 7");

    private ChatEncoder Encoder(string? template = null)
    {
        var format = ChatFormat.Load(BundledModel, BundledTemplate)!;
        return new ChatEncoder(_tokenizer, template is null ? format : format.With(ChatTemplate.Parse(template, "test")), [EndOfTurn]);
    }

    private string Learned(TokenDocument document) => _tokenizer.Decode(
        [.. document.Ids.Where((_, i) => document.Weights[i] > 0)], skipSpecialTokens: false);
}
