using System.Text;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Learns byte-pair merges (Sennrich et al. 2016, over bytes): again and again the most frequent pair of neighbours becomes a new
/// symbol; of equally frequent pairs the one with the lowest left id, then the lowest right id.
/// </summary>
/// <remarks>
/// Ids 0–255 are the bytes. Pair counts are kept up to date word by word: a merge visits only the words that hold the pair.
/// A heap orders the pairs; an entry whose count is out of date is put back with the right one when it comes up.
/// </remarks>
internal sealed class MergeLearner
{
    // Training text without spaces makes very long pieces, whose every merge would cost their whole length.
    private const int LongestWord = 256;

    private readonly List<int[]> _words = [];
    private readonly List<long> _wordCounts = [];
    private readonly Dictionary<ulong, long> _pairCounts = [];
    private readonly Dictionary<ulong, HashSet<int>> _pairWords = [];
    private readonly PriorityQueue<ulong, (long Count, ulong Pair)> _queue = new();
    private readonly HashSet<ulong> _changed = [];

    /// <summary>Counts the pairs of all pieces.</summary>
    public MergeLearner(IReadOnlyDictionary<string, long> pieces)
    {
        foreach ((string piece, long count) in pieces)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(piece);
            for (int start = 0; start < bytes.Length; start += LongestWord)
            {
                int[] word = [.. bytes.Skip(start).Take(LongestWord).Select(value => (int)value)];
                _words.Add(word);
                _wordCounts.Add(count);
                CountPairs(_words.Count - 1, count);
            }
        }

        Requeue();
    }

    /// <summary>Every token's text in <see cref="ByteAlphabet"/>, by id.</summary>
    public List<string> Tokens { get; } =
        [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.ToCharacter((byte)value).ToString())];

    /// <summary>The merges in the order learnt, as texts of the two parts.</summary>
    public List<(string Left, string Right)> Merges { get; } = [];

    /// <summary>
    /// Merges until there are <paramref name="size"/> tokens, or no pair is frequent enough, or none makes an allowed text.
    /// </summary>
    public void Learn(int size, long minimumCount, IReadOnlySet<string> forbidden)
    {
        var ids = new Dictionary<string, int>(Tokens.Select((text, id) => KeyValuePair.Create(text, id)));
        while (Tokens.Count < size && TryNext(minimumCount, out ulong pair))
        {
            (int left, int right) = ((int)(pair >> 32), (int)(uint)pair);
            string text = Tokens[left] + Tokens[right];
            if (forbidden.Contains(text))
            {
                _pairCounts.Remove(pair);
                continue;
            }

            Merges.Add((Tokens[left], Tokens[right]));
            if (!ids.TryGetValue(text, out int merged))
            {
                merged = Tokens.Count;
                ids.Add(text, merged);
                Tokens.Add(text);
            }

            Apply(pair, left, right, merged);
        }
    }

    private bool TryNext(long minimumCount, out ulong pair)
    {
        while (_queue.TryDequeue(out pair, out var priority))
        {
            long count = _pairCounts.GetValueOrDefault(pair);
            if (count < minimumCount)
            {
                continue;
            }

            if (count == -priority.Count)
            {
                return true;
            }

            _queue.Enqueue(pair, (-count, pair));
        }

        return false;
    }

    private void Apply(ulong pair, int left, int right, int merged)
    {
        if (!_pairWords.Remove(pair, out HashSet<int>? words))
        {
            return;
        }

        foreach (int index in words)
        {
            long count = _wordCounts[index];
            CountPairs(index, -count);
            _words[index] = Replace(_words[index], left, right, merged);
            CountPairs(index, count);
        }

        _pairCounts.Remove(pair);
        _changed.Remove(pair);
        Requeue();
    }

    private static int[] Replace(int[] word, int left, int right, int merged)
    {
        var result = new List<int>(word.Length);
        for (int i = 0; i < word.Length; i++)
        {
            if (i + 1 < word.Length && word[i] == left && word[i + 1] == right)
            {
                result.Add(merged);
                i++;
            }
            else
            {
                result.Add(word[i]);
            }
        }

        return [.. result];
    }

    private void CountPairs(int index, long count)
    {
        int[] word = _words[index];
        for (int i = 0; i + 1 < word.Length; i++)
        {
            ulong pair = ((ulong)(uint)word[i] << 32) | (uint)word[i + 1];
            _pairCounts[pair] = _pairCounts.GetValueOrDefault(pair) + count;
            if (count > 0)
            {
                if (!_pairWords.TryGetValue(pair, out HashSet<int>? words))
                {
                    _pairWords.Add(pair, words = []);
                }

                words.Add(index);
            }

            _changed.Add(pair);
        }
    }

    // A pair that became less frequent is found out of date when it comes up; one that became more frequent has to be put in.
    private void Requeue()
    {
        foreach (ulong pair in _changed)
        {
            long count = _pairCounts.GetValueOrDefault(pair);
            if (count > 0)
            {
                _queue.Enqueue(pair, (-count, pair));
            }
        }

        _changed.Clear();
    }
}
