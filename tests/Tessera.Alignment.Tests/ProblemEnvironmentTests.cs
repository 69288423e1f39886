using Tessera.Alignment.Rewards;
using Tessera.Alignment.Rollouts;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Alignment.Tests;

public sealed class ProblemEnvironmentTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-problems-").FullName;
    private readonly Tokenizer _tokenizer;
    private readonly ProblemSource _source = new(ProblemSplit.Training, 3, [TaskCatalog.Get("add"), TaskCatalog.Get("compare")]);

    public ProblemEnvironmentTests()
    {
        string path = Path.Combine(_folder, "tokenizer.json");
        TokenizerTrainer.Train(_source.Stream().Take(60).Select(problem => problem.ToText()), path, new TokenizerTrainerOptions
        {
            VocabularySize = 280,
            SpecialTokens = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<think>", "</think>"],
            SplitDigits = true,
        });
        _tokenizer = Tokenizer.Load(path);
    }

    [Fact]
    public void Names_are_of_different_questions_in_every_mode_and_a_longer_list_begins_with_a_shorter_one()
    {
        var environment = Create(_source);
        var names = environment.Names(101, [ThinkingMode.On, ThinkingMode.Off]);
        Assert.Equal(101, names.Distinct().Count());
        var questions = names.Select(name => environment.Find(name)).ToList();
        Assert.Equal(51, questions.Select(found => (found.Problem.Task, found.Problem.Question)).Distinct().Count());
        Assert.Equal(51, questions.Count(found => found.Mode == ThinkingMode.On));
        Assert.Equal(names.Take(40), environment.Names(40, [ThinkingMode.On, ThinkingMode.Off]));
    }

    [Fact]
    public void More_names_than_there_are_questions_are_refused_with_the_number()
    {
        // Sums of single digits: at most a hundred questions, some of which belong to evaluation.
        var small = Create(new ProblemSource(ProblemSplit.Training, 3, [TaskCatalog.Get("multiply")], [1]));
        var error = Assert.Throws<ArgumentException>(() => small.Names(5000, [ThinkingMode.Off]));
        Assert.Contains("5000 are needed", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("17")]
    [InlineData("17/maybe")]
    [InlineData("-1/on")]
    [InlineData("x/on")]
    [InlineData("17/on/off")]
    public void Other_names_are_refused(string name) =>
        Assert.Contains(
            $"prompt '{name}'", Assert.Throws<InvalidDataException>(() => Create(_source).Prompt(name)).Message, StringComparison.Ordinal);

    [Fact]
    public void Responses_are_judged_with_their_tags_and_without_their_stop_token()
    {
        var environment = Create(_source);
        string on = environment.Names(1, [ThinkingMode.On])[0];
        var (problem, _) = environment.Find(on);
        var prompt = environment.Prompt(on);
        Assert.Equal($"{problem.Task}.on", prompt.Label);
        Assert.Equal($"<s>On<|user|>{problem.Question}<|assistant|>", _tokenizer.Decode(prompt.Ids, skipSpecialTokens: false));

        int stop = _tokenizer.TokenId("</s>")!.Value;
        int[] right = _tokenizer.Encode($"<think>{problem.Reasoning}</think>{problem.Answer}", addSpecialTokens: false);
        Assert.Equal(new Reward(1, 1, true, 0), Judge([.. right, stop], true));
        Assert.Equal(new Reward(1, 1, false, 0), Judge(right, false));
        Assert.Equal(1, Judge([.. right, stop], true).Total);
        Assert.Equal(0, Judge(right, false).Total);
        int[] bare = _tokenizer.Encode(problem.Answer, addSpecialTokens: false);
        Assert.Equal(new Reward(1, 0, true, 0), Judge([.. bare, stop], true));

        Reward Judge(int[] ids, bool isFinished)
        {
            var response = new SampledResponse(ids, new float[ids.Length], isFinished);
            return environment.Judge(on, response, environment.Text(response));
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private ProblemEnvironment Create(ProblemSource source) => new(
        source, _tokenizer, (problem, mode) => _tokenizer.Encode($"<s>{mode}<|user|>{problem.Question}<|assistant|>", addSpecialTokens: false),
        OverlongPenalty.None);
}
