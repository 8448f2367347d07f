# Completion of the client programs for bash.  The options, and the values that
# they take, are those that --help shows.

_bb_programs()
{
	local cur=$2 prev=$3 options line value

	# bash separates a long option, "=" and the value into three words
	[[ $prev == '=' ]] && prev=${COMP_WORDS[COMP_CWORD-2]}
	[[ $cur == '=' ]] && cur=

	while read -r line; do
		[[ $line =~ ^((-.),\ )?(--[a-z-]+)(=([^ ]+))? ]] || continue
		options+=" ${BASH_REMATCH[3]}"
		[[ $prev == "${BASH_REMATCH[2]}" || $prev == "${BASH_REMATCH[3]}" ]] &&
			value=${BASH_REMATCH[5]}
	done < <("$1" --help 2>/dev/null)

	# these have an argument that is no option
	[[ -z $value && $cur != -* && ${1##*/} == bb_import ]] && value=FILE
	[[ -z $value && $cur != -* && ${1##*/} == bb_mount ]] && value=DIRECTORY

	case $value in
		'') mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
		DIRECTORY) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
		FILE) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		*\|*) mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$cur") ;;
		*) COMPREPLY=() ;;
	esac
}
complete -o filenames -F _bb_programs bb_basebackup bb_check bb_import bb_list \
	bb_mount bb_restore
